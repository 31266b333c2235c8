#include "admin/content.h"

#include <stdlib.h>
#include <string.h>

struct content {
	struct reader reader;
	struct envelope *envelope;
	size_t taken, size; /* of the piece */
	uint8_t piece[STORE_PIECE_BYTES];
};

static ssize_t read_content(void *owner, uint64_t position, char *to, size_t room)
{
	struct content *content = owner;
	size_t left;

	(void)position;
	if (content->taken == content->size) {
		ssize_t size = reader_next(&content->reader, content->piece);

		if (size == 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (size < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		content->size = (size_t)size;
		content->taken = 0;
	}
	left = content->size - content->taken;
	if (left > room)
		left = room;
	memcpy(to, content->piece + content->taken, left);
	content->taken += left;
	return (ssize_t)left;
}

static void free_content(void *owner)
{
	struct content *content = owner;

	reader_fini(&content->reader);
	envelope_close(&content->envelope);
	free(content);
}

struct MHD_Response *content_respond(
	struct store_view *view, struct envelope **envelope, enum reader_how how)
{
	struct content *content = calloc(1, sizeof(*content));
	struct MHD_Response *response;

	if (content == NULL)
		return NULL;
	reader_init(&content->reader, view, *envelope, how);
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 16384, read_content, content, free_content);
	if (response == NULL) {
		reader_fini(&content->reader);
		free(content);
		return NULL;
	}
	content->envelope = *envelope;
	*envelope = NULL;
	return response;
}
