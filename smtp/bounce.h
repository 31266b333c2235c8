/*
 * bounce.h: tells a sender what could not be delivered: a delivery status notification (RFC 3464, RFC 3462).
 *
 * One bounce tells of all recipients of a job that failed. It goes to the sender with the null reverse-path, in the
 * alert lane, unscanned. A device does not read what is sent to its own address, or answers it: where the sender is one of the
 * grant's own addresses, and the grant is a device's or came through a fragile listener, the owner is told in its place, or
 * postmaster where there is none. Where no sender can be told (null reverse-path, a bounce that itself failed, no route) the
 * same report goes to the configured postmaster; that one is never bounced, the queue holds it when it fails.
 *
 * The whole of it is ASCII: what upstream said is cleaned, the original headers are quoted-printable where they need it, an
 * internationalised address is of type utf-8 with its characters as \x{...} (RFC 6533 3).
 * Errors: -ENOMEM, or the reader's. Limits: BOUNCE_HEADERS_MAX of the original headers.
 */
#ifndef SLUICE_SMTP_BOUNCE_H
#define SLUICE_SMTP_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/config.h"
#include "queue/grant.h"
#include "queue/id.h"
#include "queue/job.h"
#include "queue/message.h"
#include "queue/store.h"

#define BOUNCE_HEADERS_MAX 65536

struct bounce_recipient {
	const char *address;
	const char *status; /* enhanced code, or "" */
	const char *reply; /* what was said last, cleaned; or "" */
};

struct bounce {
	const struct config *config;
	const struct envelope *envelope; /* of the message that failed */
	const struct bounce_recipient *recipients;
	size_t recipient_count;
	const char *host; /* who refused, "host:port"; NULL: nobody did */
	bool expired; /* delivery time is over */
	const char *
		postmaster_because; /* why the sender is not told; NULL: he is. bounce_write's own */
	const char *
		owner_of; /* the grant whose owner is told in the sender's place; NULL: he is not. bounce_write's own */
	uint64_t now_unix_ms;
};

/* Whether anybody is told of a failure of this message at all; a notice to postmaster that fails is held. */
bool bounce_is_due(const struct envelope *envelope);

/* The grant that the message came by, as it is now; NULL: none, or it cannot be read. The caller's. */
struct grant *bounce_read_grant(struct store_view *view, const struct envelope *envelope);

/* The finished message. `view` reads the original headers, `scratch` has STORE_PIECE_BYTES. 0 or -errno. */
int bounce_write(const struct bounce *asked, uint64_t id, struct store_view *view, uint8_t *scratch,
	struct message **out);

/* Its text alone; `headers` are the original's, with CRLF. */
bool bounce_format(const struct bounce *bounce, uint64_t id, const char *to, const void *headers,
	size_t headers_size, struct bytes *out) __attribute__((warn_unused_result));

#endif
