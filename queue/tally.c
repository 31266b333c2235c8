#include "queue/tally.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SLOTS ((size_t)TALLY_CLIENTS_MAX * 2) /* a power of two */

struct tally {
	struct writer *writer;
	struct mailbox *inbox;
	struct loop *loop;
	struct loop_timer timer;
	struct ledger_client *slots[SLOTS]; /* by hash, then the next free one */
	struct ledger_client *first; /* all of them */
	size_t count;
	struct writer_request request;
	struct ledger_client *sent; /* with the request; NULL: none is under way */
};

static void flush_in_time(void *owner)
{
	tally_flush(owner);
}

struct tally *tally_open(struct writer *writer, struct loop *loop, struct mailbox *inbox)
{
	struct tally *tally = calloc(1, sizeof(*tally));

	if (tally == NULL)
		return NULL;
	tally->writer = writer;
	tally->loop = loop;
	tally->inbox = inbox;
	tally->timer.owner = tally;
	tally->timer.fire = flush_in_time;
	return tally;
}

static void close_list(struct ledger_client **first)
{
	while (*first != NULL) {
		struct ledger_client *client = *first;

		*first = client->next;
		ledger_client_close(&client);
	}
}

void tally_close(struct tally **tally)
{
	if (tally == NULL || *tally == NULL)
		return;
	if ((*tally)->timer.armed)
		loop_timer_clear((*tally)->loop, &(*tally)->timer);
	close_list(&(*tally)->first);
	free(*tally);
	*tally = NULL;
}

static struct ledger_client **find_slot(struct tally *tally, const char *address)
{
	size_t at = (size_t)XXH3_64bits(address, strlen(address));

	while (tally->slots[at % SLOTS] != NULL &&
		strcmp(tally->slots[at % SLOTS]->address, address) != 0)
		at++;
	return &tally->slots[at % SLOTS];
}

static struct ledger_client *add_client(struct tally *tally, const char *address)
{
	struct ledger_client *client;

	if (tally->count == TALLY_CLIENTS_MAX)
		tally_flush(tally);
	if (tally->count == TALLY_CLIENTS_MAX)
		return NULL;
	client = ledger_client_new(address);
	if (client == NULL)
		return NULL;
	*find_slot(tally, client->address) = client;
	client->next = tally->first;
	tally->first = client;
	tally->count++;
	if (!tally->timer.armed)
		loop_timer_set(tally->loop, &tally->timer, loop_now_ms(tally->loop) + TALLY_MS);
	return client;
}

struct ledger_client *tally_client(struct tally *tally, const char *address, uint64_t now_unix_ms)
{
	struct ledger_client *client = *find_slot(tally, address);

	if (client == NULL)
		client = add_client(tally, address);
	if (client == NULL)
		return NULL;
	if (client->first_unix_ms == 0)
		client->first_unix_ms = now_unix_ms;
	if (now_unix_ms > client->last_unix_ms)
		client->last_unix_ms = now_unix_ms;
	return client;
}

/* What was gathered meanwhile waits for its timer, or for a full table. */
static void answered(struct letter *letter, void *context)
{
	struct tally *tally = LETTER_OF(letter, struct tally, request.letter);

	(void)context;
	close_list(&tally->sent);
	if (tally->count > 0 && !tally->timer.armed)
		tally_flush(tally);
}

void tally_flush(struct tally *tally)
{
	if (tally->count == 0 || tally->sent != NULL)
		return;
	tally->sent = tally->first;
	tally->first = NULL;
	tally->count = 0;
	memset(tally->slots, 0, sizeof(tally->slots));
	tally->request = (struct writer_request){
		.letter.read = answered,
		.answer_to = tally->inbox,
		.verb = WRITER_LEDGER,
		.clients = tally->sent,
	};
	writer_submit(tally->writer, &tally->request);
}

bool tally_is_busy(const struct tally *tally)
{
	return tally->count > 0 || tally->sent != NULL;
}
