/*
 * upstream.h: one connection to an upstream host.
 *
 *   1. upstream_open lets libcurl connect: name, TCP, banner, EHLO, STARTTLS or implicit TLS, AUTH. It never blocks.
 *   2. Its callbacks show every line that comes and every command that goes, so that a failure is told with its exact
 *      stage and reply, and what the last EHLO's answer offers is known (after STARTTLS the second one counts).
 *   3. `opened` or `failed` is called, once, from the loop. From then on the transaction on it is smtp/transfer's.
 *   4. upstream_close says QUIT when asked to, and does not wait for the answer.
 *
 * Threads: the loop's. Owner: the opener; `failed` leaves it his to close. Limits: connect_timeout_ms for step 1.
 * docs/decisions/2026-11-22-libcurl-connect-only.md has what was found out about libcurl.
 */
#ifndef SLUICE_SMTP_UPSTREAM_H
#define SLUICE_SMTP_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/loop.h"
#include "queue/job.h"
#include "queue/reply.h"
#include "smtp/dialer.h"
#include "smtp/offer.h"
#include "smtp/response.h"

struct upstream;

struct upstream_failure {
	enum reply_stage stage;
	enum reply_class class;
	bool handshake; /* the TLS handshake failed: an opportunistic upstream may be tried in clear */
	char reply[JOB_REPLY_SIZE];
	char status[RESPONSE_STATUS_SIZE];
};

struct upstream_options {
	struct dialer *dialer;
	struct loop *loop;
	const struct config_upstream *config; /* outlives step 1 */
	const struct config_host *host;
	const char *hostname; /* what we call ourselves */
	bool in_clear; /* no opportunistic TLS this time */
	void *owner;
	void (*opened)(void *owner);
	void (*failed)(void *owner, const struct upstream_failure *failure);
};

struct upstream *upstream_open(const struct upstream_options *options); /* NULL without memory */
void upstream_close(struct upstream **upstream, bool polite);

/* For dialer_open. */
void upstream_dialed(void *upstream, CURLcode result);

/* ---- once it is open ---- */

int upstream_fd(const struct upstream *upstream);
bool upstream_is_tls(const struct upstream *upstream);
const struct offer *upstream_offer(const struct upstream *upstream);

/*
 * -EAGAIN: would block; -EPIPE: broken. Over TLS a send that would block must be repeated with the same bytes at the
 * same place (more may follow them), and part of them may be under way already.
 */
ssize_t upstream_send(struct upstream *upstream, const void *from, size_t size);
/* 0: the peer's end. -EAGAIN, -ECONNRESET. */
ssize_t upstream_receive(struct upstream *upstream, void *to, size_t size);

#endif
