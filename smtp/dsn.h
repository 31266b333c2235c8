/*
 * dsn.h: the parts of a delivery status notification, as text (RFC 3464, 3462, 3834).
 *
 * Owner: each appends to `out`. Errors: false without memory. Everything is ASCII with CRLF, lines under 998 bytes.
 */
#ifndef SLUICE_SMTP_DSN_H
#define SLUICE_SMTP_DSN_H

#include "smtp/bounce.h"

/* The message's own header. */
bool dsn_append_header(const struct bounce *bounce, uint64_t id, const char *to,
	const char *boundary, struct bytes *out);
/* text/plain: what happened and what to do, for people. */
bool dsn_append_explanation(const struct bounce *bounce, const char *boundary, struct bytes *out);
/* message/delivery-status: the same for programs. */
bool dsn_append_status(const struct bounce *bounce, const char *boundary, struct bytes *out);
/* text/rfc822-headers, or message/global-headers (RFC 6533 6) where they are of UTF-8; and the end. */
bool dsn_append_headers(const void *headers, size_t size, const char *boundary, struct bytes *out);

#endif
