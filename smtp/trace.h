/*
 * trace.h: the Received field that Sluice puts in front of each message. RFC 5321 4.4.
 *
 *	Received: from HELO ([192.0.2.1])
 *		(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))
 *		by relay.example.edu with ESMTPS id 0A1B2C3D4E5F60
 *		for <bob@example.edu>; Sun, 22 Nov 2026 10:00:00 +0000 (UTC)
 *
 * The line about TLS stands where there is TLS. "with" is ESMTPS then, ESMTPA where the client logged in, ESMTPSA for both (RFC 3848).
 * "for" stands only when there is exactly one recipient, so that nobody learns of another. Of the client's HELO only
 * what a domain or an address literal can hold is kept.
 */
#ifndef SLUICE_SMTP_TRACE_H
#define SLUICE_SMTP_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

struct trace {
	const char *helo; /* NULL: none was said, and the peer's address stands for it */
	bool esmtp;
	bool authenticated; /* logged in: ESMTPA (RFC 3848); as whom is nobody's business */
	const char *tls_version, *tls_cipher; /* NULL: no TLS */
	int tls_bits;
	const struct address *peer;
	const char *hostname; /* ours */
	uint64_t id;
	const char *recipient; /* NULL: several */
	uint64_t unix_ms;
};

#define TRACE_SIZE 1440

/* Writes the field, with its last CRLF, to `out` (TRACE_SIZE bytes). Returns its size. */
size_t trace_format(const struct trace *trace, char *out);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]"; a Unix socket's peer is "localhost". `out` holds ADDRESS_TEXT_SIZE bytes. */
char *trace_format_peer(const struct address *peer, char *out);

#endif
