/*
 * sasl.h: what AUTH's mechanisms send, taken apart: base64, PLAIN's fields, what may be a name. RFC 4954, 4616, 4648.
 *
 * It knows no session and keeps nothing: secrets go to the caller's memory, who wipes it.
 * Limits: a response is a line of at most SASL_LINE_BYTES, CRLF included (RFC 4954 4).
 */
#ifndef SLUICE_SMTP_SASL_H
#define SLUICE_SMTP_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SASL_LINE_BYTES 12288
#define SASL_BYTES      (SASL_LINE_BYTES / 4 * 3 + 1) /* what a line decodes to, and a NUL */
#define SASL_PROMPT_NAME \
	"VXNlcm5hbWU6" /* "Username:" and "Password:", as devices compare them (Q-90) */
#define SASL_PROMPT_PASSWORD "UGFzc3dvcmQ6"

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN };
#define SASL_MECHANISM_COUNT 2

const char *sasl_mechanism_name(enum sasl_mechanism mechanism); /* "PLAIN" */
/* False: none of ours. */
bool sasl_mechanism_find(const char *text, size_t size, enum sasl_mechanism *out);

/*
 * Base64 as RFC 4648 4 has it, padded, nothing else in it. Writes what it means, and a NUL, to `out` (SASL_BYTES). Returns its size;
 * -1: it is no base64, or too much of it.
 */
ssize_t sasl_decode(const char *text, size_t size, char *out);

/* Who says it is whom, NUL-terminated, in the bytes that were taken apart. */
struct sasl_plain {
	const char *name, *password;
	size_t name_size, password_size;
	bool odd; /* it has not the form of RFC 4616, or says who it is twice */
};

enum sasl_fault {
	SASL_SOUND,
	SASL_MALFORMED,
	SASL_OTHER_NAME, /* it wants to act for another than it logs in as */
};

/*
 * "[authzid] NUL authcid NUL passwd". With `lenient` the first NUL may be missing, and one too many may stand at the end. `message`
 * is as sasl_decode gives it.
 */
enum sasl_fault sasl_plain_parse(
	const char *message, size_t size, bool lenient, struct sasl_plain *out);

/* Whether it can be an account's at all: UTF-8 without control characters, neither empty nor of AUTH_NAME_SIZE bytes (auth.h). */
bool sasl_is_name(const char *text, size_t size);

#endif
