/*
 * deadline.h: until when a session may wait for what it waits for. RFC 5321 4.5.3.2.
 *
 *	a command      command_timeout from the end of the one before; no byte lengthens it
 *	text           data_timeout between two reads, message_timeout for the whole message
 *	unread replies command_timeout from the first that the socket did not take
 *	any of these   session_timeout
 *	AUTH's reply   what the desk says; while it is asked there is none
 *	held replies   looked at again when retry_mono_ms says; nothing else ends the session meanwhile, nor because of it
 *	the writer     none here: the writer's own bound it (writer.h)
 *
 * A minimum rate for text (F-24) holds only while the listener is crowded: a slow scanner on a slow link is a customer. A
 * message begins with a tenth of data_timeout; each byte earns 1/min_data_rate of a second more, up to data_timeout in
 * hand, so that a scanner may pause between its pages. Time that the writer takes is not the client's.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_DEADLINE_H
#define SLUICE_SMTP_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

#include "smtp/session.h"

/* The session waits anew from now on: for a command, or for text. */
void deadline_restart(struct session *session);
/* Text begins. */
void deadline_begin_text(struct session *session);
/* Text arrived. */
void deadline_note_text(struct session *session, size_t bytes);

/* Time that is ours and not the client's: what bounds the message and the session comes so much later. */
void deadline_forgive(struct session *session, int64_t ms);

/* INT64_MAX: none. */
int64_t deadline_next(const struct session *session);
/* Sets the session's timer, which is never late; one that is early finds the later deadline when it fires. */
void deadline_arm(struct session *session);

#endif
