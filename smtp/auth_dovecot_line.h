/*
 * auth_dovecot_line.h: lines of Dovecot's authentication protocol (version 1), taken apart and written.
 *
 * A line is a verb and parameters, parted by tabs; within them tab, line end and NUL are written as \001 and a letter.
 * There: VERSION, CPID, AUTH. Back: VERSION, MECH, SPID, CUID, COOKIE, DONE, then OK, FAIL or CONT with AUTH's number.
 *
 * Threads: any; plain functions. Owner: the line's bytes are the caller's.
 */
#ifndef SLUICE_SMTP_AUTH_DOVECOT_LINE_H
#define SLUICE_SMTP_AUTH_DOVECOT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOVECOT_LINE_MAX 8192 /* what either side takes */
#define DOVECOT_AUTH_MAX 2048 /* of AUTH as we write it: what a session may send fits */

enum dovecot_verb {
	DOVECOT_VERSION, /* number: the greater part of it */
	DOVECOT_MECH, /* plain */
	DOVECOT_DONE,
	DOVECOT_OK, /* number, as the next two */
	DOVECOT_FAIL,
	DOVECOT_CONT,
	DOVECOT_OTHER, /* to be passed over */
	DOVECOT_BAD, /* a verb of the above without what belongs to it */
};

struct dovecot_line {
	enum dovecot_verb verb;
	uint32_t number;
	bool plain; /* MECH: it is PLAIN */
	bool temporary; /* FAIL: it could not tell */
	bool refused; /* OK, but not here: `nologin` without `proxy` */
	char why[128]; /* FAIL: its code and reason, NUL-terminated, cut */
};

/* Without its line end. */
void dovecot_line_read(const char *line, size_t size, struct dovecot_line *out);

/* AUTH with PLAIN's message, its line end too, NUL-terminated; returns its size. The caller wipes it. */
size_t dovecot_line_write_auth(char out[DOVECOT_AUTH_MAX], uint32_t number, const char *account,
	const char *password, const char *peer);

#endif
