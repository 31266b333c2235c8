#include "queue/message.h"

#include <stdlib.h>

void message_close(struct message **message)
{
	if (message == NULL)
		return;
	while (*message != NULL) {
		struct message *first = *message;

		*message = first->next;
		envelope_close(&first->envelope);
		text_pieces_free(&first->pieces);
		free(first);
	}
}
