/*
 * own_mail.h: a message that the relay itself writes: its header, its envelope, and where it goes.
 *
 * It has the null reverse-path, is ENVELOPE_LOCAL, in the alert lane, unscanned, and has one recipient. One to postmaster is never
 * bounced: the queue holds it when it fails; what else fails is told to postmaster.
 *
 * Errors: -ENOMEM. Text is UTF-8, a line each with LF; what is not ASCII goes as quoted-printable.
 */
#ifndef SLUICE_SMTP_OWN_MAIL_H
#define SLUICE_SMTP_OWN_MAIL_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/config.h"
#include "queue/message.h"

/* A notice for a person, from postmaster. */
struct own_mail {
	const struct config *config;
	const char *
		to; /* "": postmaster. Where no route leads, postmaster gets it too, and is told why */
	const char
		*subject; /* one line; what is not printable ASCII is shown as "?", and it is cut */
	const char *text;
	uint64_t now_unix_ms;
};

/* The finished message. 0 or -ENOMEM. */
int own_mail_write(const struct own_mail *mail, uint64_t id, struct message **out);

/* One whose text (with CRLF) and addressee are settled; `flags`: enum envelope_flag, beside ENVELOPE_LOCAL. 0 or -ENOMEM. */
int own_mail_make(const struct config *config, uint64_t id, uint32_t flags, const char *to,
	uint64_t now_unix_ms, const struct bytes *text, struct message **out);

/* The header field To. An address of UTF-8 has no ASCII form; the envelope knows it. */
bool own_mail_append_to(const char *to, struct bytes *out) __attribute__((warn_unused_result));
/* Quoted-printable (RFC 2045 6.7) of text whose lines end in CRLF. */
bool own_mail_append_quoted(struct bytes *out, const uint8_t *text, size_t size)
	__attribute__((warn_unused_result));

#endif
