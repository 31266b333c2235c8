/*
 * repeats.h: which messages the writer remembers so that a second copy of one is known for what it is.
 *
 * A device that did not hear our 250 sends its message again. It is told the first copy's 250, and nothing is stored, when
 *   1. the session that took the first copy says that its client certainly did not hear (repeats_unheard; smtp/receipt.h);
 *   2. a message comes within REPEATS_MS with the same key: client address, reverse-path, recipients and content;
 *   3. and the first copy is still queued, or was delivered: the writer forgets (repeats_del) one that ended otherwise.
 * From then on the client has heard (repeats_heard): what comes after that is a new message. So two alarms with the same text are
 * two messages.
 *
 * A device that gives each message the same Message-ID is found by names: a name is that id and the client's address, and its
 * last contents are remembered. Another content under a known name is another message (repeats_is_other); the same content
 * is the same one.
 *
 * Threads: the writer's. Owner: repeats_close. In memory only: after a restart a second copy is a second message.
 * Limits: REPEATS_MAX messages and as many names, the oldest goes; about 7 MB when full, taken as it fills.
 */
#ifndef SLUICE_QUEUE_REPEATS_H
#define SLUICE_QUEUE_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATS_MAX 65536
#define REPEATS_MS  (INT64_C(3600) * 1000)

struct repeats;

struct repeats *repeats_open(void); /* NULL without memory */
void repeats_close(struct repeats **repeats);

/* Of one message as its client said it; never 0. `recipients` are bytes that are the same for the same list. */
uint64_t repeats_key(const char *client, const char *reverse_path, const void *recipients,
	size_t recipients_size, uint64_t content);
/* Of a Message-ID (its hash) of this client; never 0. */
uint64_t repeats_name(const char *client, uint64_t message_id);

/* A message was added. Again for the same id: nothing. */
void repeats_put(struct repeats *repeats, uint64_t id, uint64_t key);
/* It is not there after all, or ended without being delivered. */
void repeats_del(struct repeats *repeats, uint64_t id);
void repeats_unheard(struct repeats *repeats, uint64_t id, int64_t now_mono_ms);
void repeats_heard(struct repeats *repeats, uint64_t id);
/* The message with this key whose client did not hear, or 0. */
uint64_t repeats_find(const struct repeats *repeats, uint64_t key, int64_t now_mono_ms);

void repeats_put_name(struct repeats *repeats, uint64_t name, uint64_t content);
void repeats_del_name(struct repeats *repeats, uint64_t name, uint64_t content);
/* The name is known, and not with this content. */
bool repeats_is_other(const struct repeats *repeats, uint64_t name, uint64_t content);

#endif
