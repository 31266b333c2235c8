/*
 * ledger.h: what is known of a client, by its address: how much it hands over, and what it gets wrong.
 *
 * The way of a fact:
 *   1. A session notes it (smtp/notice.c) in its worker's tally (tally.h), which is a change to the ledger: a struct
 *      ledger_client with what happened since the last one.
 *   2. A second later, or when it is full, the tally goes to the writer (WRITER_LEDGER), which merges each change into
 *      the client's record, in the same commit as the mail of that moment.
 *   3. The admin thread reads the records through its view.
 * A crash loses the last second's facts. A full or broken store takes none: facts are dropped then, never mail. After a
 * failed commit that cannot be told from a good one they count as stored: they may be lost, and are never counted twice.
 *
 * The record has the form of an envelope's (envelope_record.c): a version, a checksum, and numbered fields, of which a
 * reader keeps those that it knows.
 *
 * Owner: ledger_client_close frees. Text is the client's bytes, cut to its array, without NUL; whoever shows it escapes it.
 * Errors: false or NULL without memory.
 * Limits: LEDGER_CLIENTS_MAX in the store, beyond them those seen longest ago go; LEDGER_HELOS_MAX names a client, beyond
 * them the one seen longest ago goes; one example of each quirk.
 */
#ifndef SLUICE_QUEUE_LEDGER_H
#define SLUICE_QUEUE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "queue/quirk.h"

#define LEDGER_CLIENTS_MAX  20000
#define LEDGER_ADDRESS_SIZE 64
#define LEDGER_HELOS_MAX    8
#define LEDGER_HELO_SIZE    104
#define LEDGER_EXAMPLE_SIZE 121 /* 120 bytes and a NUL */
#define LEDGER_REASON_SIZE  160
#define LEDGER_PATH_SIZE    256
#define LEDGER_NAME_SIZE    64

struct ledger_helo {
	uint64_t count; /* sessions */
	uint64_t last_unix_ms;
	char name[LEDGER_HELO_SIZE];
};

struct ledger_quirk {
	uint64_t count; /* once a connection or message */
	uint64_t last_unix_ms;
	uint16_t number; /* quirk.h */
	char example[LEDGER_EXAMPLE_SIZE]; /* the last; "": none */
};

struct ledger_client {
	char address[LEDGER_ADDRESS_SIZE]; /* the key: as in a message's `client` */
	char account[LEDGER_NAME_SIZE]; /* the last; "": none */
	uint64_t first_unix_ms, last_unix_ms; /* seen */
	uint64_t sessions, sessions_without_quit;
	uint64_t messages, recipients, bytes;
	uint64_t refusals, refused_unix_ms; /* how many, and when last */
	char refusal[LEDGER_REASON_SIZE]; /* the last: our reply, or why it was closed */
	uint64_t preflights; /* */
	uint64_t partials; /* */
	uint64_t resends; /* */
	char tls_version[LEDGER_NAME_SIZE], tls_cipher[LEDGER_NAME_SIZE]; /* the last */
	char auth[LEDGER_NAME_SIZE]; /* the mechanism, the last */
	char profile[LEDGER_NAME_SIZE]; /* in use */
	uint64_t message_id, message_unix_ms; /* the last message */
	char message_from[LEDGER_PATH_SIZE];
	char message_listener[LEDGER_NAME_SIZE];
	struct ledger_helo helos[LEDGER_HELOS_MAX];
	size_t helo_count;
	struct ledger_quirk *quirks; /* by number */
	size_t quirk_count, quirk_room;
	struct ledger_client *next; /* in a list of changes */
};

struct ledger_client *ledger_client_new(const char *address);
void ledger_client_close(struct ledger_client **client);

/* Copies `size` bytes, as many as fit and none behind a NUL. */
void ledger_put_text(char *to, size_t to_size, const void *text, size_t size);
void ledger_count_helo(struct ledger_client *client, const char *name, uint64_t now_unix_ms);
bool ledger_count_quirk(struct ledger_client *client, unsigned number, const void *example,
	size_t example_size, uint64_t now_unix_ms) __attribute__((warn_unused_result));
/* NULL: not seen. */
const struct ledger_quirk *ledger_find_quirk(const struct ledger_client *client, unsigned number);

/* Adds what happened; of what there is only one of, the later one stays. */
bool ledger_merge(struct ledger_client *into, const struct ledger_client *change)
	__attribute__((warn_unused_result));

/* ---- ledger_record.c ---- */

bool ledger_encode(const struct ledger_client *client, struct bytes *out)
	__attribute__((warn_unused_result));
/* 0, -EBADMSG (damaged or of a newer version), -ENOMEM. The address is the key's, not the record's. */
int ledger_decode(const char *address, const void *record, size_t size, struct ledger_client **out);

#endif
