/*
 * path.h: reverse-path, forward-path and the parameters behind them, as MAIL and RCPT carry them. RFC 5321 4.1.2, 4.1.1.11.
 *
 * What is accepted goes to upstream as it is, so it is only what RFC 5321 can carry: printable ASCII, quoted local parts
 * closed, domains of letters, digits, "-" and "_" (which real hosts have), IPv4 and IPv6 address literals. A source route
 * is checked and left out. 8-bit bytes need SMTPUTF8 (RFC 6531): path_parse refuses them, path_parse_utf8 takes those that
 * are UTF-8. What a fragile client may write instead is path_lenient.h's affair.
 *
 * Limits: RFC 5321 4.5.3.1: local part 64, domain 255, path 256 bytes with its brackets.
 */
#ifndef SLUICE_SMTP_PATH_H
#define SLUICE_SMTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_LOCAL_BYTES  64
#define PATH_DOMAIN_BYTES 255
#define PATH_BYTES        256

enum path_kind {
	PATH_REVERSE, /* may be <> */
	PATH_FORWARD, /* may be <postmaster> without a domain */
};

enum path_fault {
	PATH_SOUND,
	PATH_SYNTAX,
	PATH_TOO_LONG,
	PATH_EIGHTBIT, /* 8-bit bytes where none may be, or not UTF-8 */
	PATH_RELAYED, /* "user%host@domain", "host!user@domain"; path_lenient.h only */
};
#define PATH_FAULT_COUNT 5

struct path {
	char address[PATH_BYTES]; /* without brackets and route; "" is the null reverse-path */
	size_t size;
};

/* `text` begins with "<". *taken is how much the path was, with its ">". */
enum path_fault path_parse(
	const char *text, size_t size, enum path_kind kind, struct path *out, size_t *taken);
/* The same behind SMTPUTF8: local part and domain may hold UTF-8. */
enum path_fault path_parse_utf8(
	const char *text, size_t size, enum path_kind kind, struct path *out, size_t *taken);

bool path_has_eightbit(const char *text, size_t size);

struct path_parameter {
	const char *name;
	size_t name_size;
	const char *value; /* NULL: none was given */
	size_t value_size;
};

/* The next of the parameters behind a path. 1: there was one; 0: no more; -1: not by the syntax. */
int path_parameter_next(const char **cursor, const char *end, struct path_parameter *out);

#endif
