/*
 * offer.h: what an upstream offers in its answer to EHLO (RFC 5321 4.1.1.1, RFC 9422 for LIMITS).
 *
 * Errors: what is not understood is not offered. Limits: a number that does not fit is the greatest there is; a count of
 * recipients or messages at most a million.
 */
#ifndef SLUICE_SMTP_OFFER_H
#define SLUICE_SMTP_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct offer {
	bool pipelining, eightbitmime, smtputf8, starttls;
	bool size_said;
	uint64_t size_max_bytes; /* SIZE; 0: no fixed maximum */
	unsigned recipients_max, messages_max; /* LIMITS RCPTMAX, MAILMAX (RFC 9422); 0: not said */
};

/* Reads one line of the answer, but the first, without the code; its line end may be there. */
void offer_parse(struct offer *offer, const char *line, size_t size);

#endif
