/*
 * idna.h: an international domain as DNS has it: A-labels, IDNA 2008 (RFC 5891).
 *
 * Threads: any, values only.
 */
#ifndef SLUICE_SMTP_IDNA_H
#define SLUICE_SMTP_IDNA_H

#include <stddef.h>

#define IDNA_DOMAIN_BYTES 255

enum idna_fault {
	IDNA_SOUND,
	IDNA_NO_DOMAIN, /* not UTF-8, or code points that no domain has */
	IDNA_TOO_LONG,
};

/* "müller.example" becomes "xn--mller-kva.example", NUL-terminated. */
enum idna_fault idna_make_ascii(const char *domain, size_t size, char ascii[IDNA_DOMAIN_BYTES + 1]);

#endif
