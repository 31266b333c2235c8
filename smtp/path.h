/*
 * path.h: reverse-path, forward-path and the parameters behind them, as MAIL and RCPT carry them. RFC 5321 4.1.2, 4.1.1.11.
 *
 * What is accepted goes to upstream as it is, so it is only what RFC 5321 can carry: printable ASCII, quoted local parts
 * closed, domains of letters, digits, "-" and "_" (which real hosts have), IPv4 and IPv6 address literals. A source route
 * is checked and left out. 8-bit bytes need SMTPUTF8, which is not offered.
 *
 * Limits: RFC 5321 4.5.3.1: local part 64, domain 255, path 256 bytes with its brackets.
 */
#ifndef SLUICE_SMTP_PATH_H
#define SLUICE_SMTP_PATH_H

#include <stddef.h>

#define PATH_LOCAL_BYTES  64
#define PATH_DOMAIN_BYTES 255
#define PATH_BYTES        256

enum path_kind {
	PATH_REVERSE, /* may be <> */
	PATH_FORWARD, /* may be <postmaster> without a domain */
};

enum path_fault { PATH_SOUND, PATH_SYNTAX, PATH_TOO_LONG, PATH_EIGHTBIT };

struct path {
	char address[PATH_BYTES]; /* without brackets and route; "" is the null reverse-path */
	size_t size;
};

/* `text` begins with "<". *taken is how much the path was, with its ">". */
enum path_fault path_parse(
	const char *text, size_t size, enum path_kind kind, struct path *out, size_t *taken);

struct path_parameter {
	const char *name;
	size_t name_size;
	const char *value; /* NULL: none was given */
	size_t value_size;
};

/* The next of the parameters behind a path. 1: there was one; 0: no more; -1: not by the syntax. */
int path_parameter_next(const char **cursor, const char *end, struct path_parameter *out);

#endif
