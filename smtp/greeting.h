/*
 * greeting.h: what the server says of itself: the banner, and the replies to EHLO and HELO. RFC 5321 4.1.1.1, 4.2.
 *
 * The banner is one line, always. EHLO's lines are gathered with all replies of a turn and leave in one send; they are fewer
 * than 536 bytes, the least segment that every TCP takes, as long as the hostname has no more than GREETING_HOST_BYTES.
 * Both follow the client's profile (device.h); what is not offered to it is taken from it all the same.
 *
 * Threads: the session's.
 */
#ifndef SLUICE_SMTP_GREETING_H
#define SLUICE_SMTP_GREETING_H

#include "smtp/session.h"

#define GREETING_EHLO_BYTES 536
#define GREETING_HOST_BYTES 255

void greeting_banner(struct session *session);
/* The reply to EHLO that was taken. */
void greeting_ehlo(struct session *session);
void greeting_helo(struct session *session);

/* Whether the client's profile wants EHLO refused, so that it says HELO; then it was answered. */
bool greeting_refuses_ehlo(struct session *session);

#endif
