/*
 * auth_saslauthd.h: what is said to saslauthd and what it says, as bytes: texts with their lengths in front (two bytes, the greater first).
 *
 * Four go there: user, password, service, realm. One comes back: "OK…" or "NO…". One question a connection.
 *
 * Threads: any; plain functions.
 */
#ifndef SLUICE_SMTP_AUTH_SASLAUTHD_H
#define SLUICE_SMTP_AUTH_SASLAUTHD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "smtp/auth_backend.h"

#define SASLAUTHD_TEXT_MAX    256 /* it takes no longer ones (MAX_REQ_LEN) */
#define SASLAUTHD_REQUEST_MAX (4 * (2 + SASLAUTHD_TEXT_MAX))
#define SASLAUTHD_ANSWER_MAX  1024 /* what we read; a longer one is none */

/* Puts the request into `out`; returns its size, or -1: a text is longer than saslauthd takes. */
ssize_t auth_saslauthd_write(
	const char *account, const char *password, uint8_t out[SASLAUTHD_REQUEST_MAX]);

enum saslauthd_answer { SASLAUTHD_MORE, SASLAUTHD_BAD, SASLAUTHD_COMPLETE };

/* From the answer's first byte on. COMPLETE: *verdict is set. */
enum saslauthd_answer auth_saslauthd_read(
	const uint8_t *bytes, size_t size, enum auth_verdict *verdict);

#endif
