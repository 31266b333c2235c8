/*
 * ours.h: which domains are ours (the option `domains`), and addresses in the one form in which they are compared.
 *
 * Plain is an address whose local part has no quotes that it does not need, and whose domain is in lower case, without a final
 * dot and in A-labels (RFC 5890): "B"@Müller.Example. is B@xn--mller-kva.example. What nobody can see in a domain (zero-width
 * characters, RFC 5892's ignorable ones) is taken out of it, and an A-label that stands for plain ASCII is that ASCII. Letters of
 * other alphabets that only look alike stay what they are.
 *
 * Threads: any. Nothing is kept.
 */
#ifndef SLUICE_SMTP_OURS_H
#define SLUICE_SMTP_OURS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"

#define OURS_ADDRESS_BYTES 512 /* of an address; longer ones than RFC 5321 has */
#define OURS_ADDRESS_SIZE  (OURS_ADDRESS_BYTES + 256) /* of a plain one: A-labels may be longer */

/* False: it has no domain, or is too long for any. */
bool ours_make_plain(const char *address, char plain[OURS_ADDRESS_SIZE]);

/* `domain` as ours_make_plain leaves it. */
bool ours_has_domain(const struct config *config, const char *domain);
/* Of a plain address. */
bool ours_has(const struct config *config, const char *plain);
/* It stands in `domains` itself, not as something below a domain. */
bool ours_names_domain(const struct config *config, const char *domain);

/* "[192.0.2.1]", "192.0.2.1", "localhost", "localhost.localdomain": no other host can answer there. */
bool ours_is_nowhere(const char *address);

#endif
