/*
 * tls_past.h: how TLS went with a client before: a fixed table that all workers share.
 *
 *   - A client whose handshakes failed TLS_PAST_FAILURES times in a row is not offered STARTTLS any more, until one
 *     succeeds, it greets with another name, the certificates are renewed, or the relay starts again. A client is an address with
 *     the name that it greets with, since several devices may share an address.
 *   - A client that greeted with TLS where our banner comes first is waited for a moment when it comes again.
 *
 * A word of the table is a client's; another client that meets it there takes it over, and what was known of the first is
 * forgotten: it costs that one two more failures. All atomics are relaxed: nothing else is published by them.
 *
 * Threads: any.
 */
#ifndef SLUICE_SMTP_TLS_PAST_H
#define SLUICE_SMTP_TLS_PAST_H

#include <stdbool.h>

#define TLS_PAST_FAILURES 2

struct tls_past;

struct tls_past *tls_past_open(void);
void tls_past_close(struct tls_past **past);
/* Everything. */
void tls_past_forget(struct tls_past *past);

/* `name` NULL: it has not greeted. */
bool tls_past_is_bad(const struct tls_past *past, const char *address, const char *name);
/* True: with this one it is bad, and was not before. */
bool tls_past_note_failure(struct tls_past *past, const char *address, const char *name);
void tls_past_note_success(struct tls_past *past, const char *address, const char *name);

bool tls_past_is_first(const struct tls_past *past, const char *address);
void tls_past_note_first(struct tls_past *past, const char *address);

#endif
