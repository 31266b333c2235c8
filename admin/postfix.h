/*
 * postfix.h: reads what Postfix lets relay: `mynetworks` of a main.cf, and access maps as their source texts (hash, texthash, cidr).
 *
 * What a file is follows from what it says: a line "mynetworks = …" makes it a main.cf; else each line is an entry of a map, or a
 * plain list of networks, as mynetworks takes them from a file. Lines are continued by blanks at the front (postconf(5),
 * access(5), cidr_table(5)).
 *
 *	10.1.2.3  10.1.0.0/16  [2001:db8::]/32      networks
 *	10.1.2  OK                                  10.1.2.0/24: an octet's or a group's prefix, in maps
 *	$name  ${name}                              in a main.cf: what the file says of it
 *	OK, permit, RELAY, a number                 actions that allow
 *
 * Everything else is named with its line and why it cannot be taken over: exclusions ("!"), domains, mail addresses, other actions, other
 * files and tables.
 *
 * Threads: one. Errors: false without memory.
 * Limits: POSTFIX_VARIABLES in all, POSTFIX_DEPTH within each other.
 */
#ifndef SLUICE_ADMIN_POSTFIX_H
#define SLUICE_ADMIN_POSTFIX_H

#include <stdbool.h>
#include <stddef.h>

#define POSTFIX_DEPTH        8
#define POSTFIX_VARIABLES    1000
#define POSTFIX_NETWORK_SIZE 64

struct postfix_reader {
	void *owner;
	/* A network that may relay, in its plain form: "10.1.2.0/24", "2001:db8::1". */
	bool (*allow)(void *owner, size_t line, const char *network);
	/* What could not be taken over, and why. */
	bool (*refuse)(void *owner, size_t line, const char *what, const char *why);
};

bool postfix_read(const char *text, size_t size, const struct postfix_reader *reader);

#endif
