/*
 * config_name.h: the names that a configuration may hold: domains, address literals, mail addresses, route patterns.
 *
 * Stricter than mail itself: what an operator writes has letters, digits, hyphens and dots.
 * RFC 1123 2.1; RFC 5321 4.1.2, 4.1.3.
 */
#ifndef SLUICE_CORE_CONFIG_NAME_H
#define SLUICE_CORE_CONFIG_NAME_H

#include <stdbool.h>

bool config_is_name(
	const char *text); /* of a section: letters, digits, "-", "_", "."; 63 at most */
bool config_is_domain(const char *text);
bool config_is_literal(const char *text); /* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
bool config_is_mailbox(const char *text);
bool config_is_charset(const char *text); /* of a MIME charset, as one may stand without quotes */
bool config_is_pattern(const char *text); /* "*", "example.edu", "*.example.edu" */

#endif
