/*
 * reason.h: why something did not work, as a text for a person.
 *
 * Filled where the cause is known (configuration, store, TLS, sockets) and shown to whoever can act on it.
 * Not an error code: a function that fills one also returns a code that steers the program.
 */
#ifndef SLUICE_CORE_REASON_H
#define SLUICE_CORE_REASON_H

struct reason {
	char text[512];
};

/* Replaces the text; what does not fit is cut. `reason` may be NULL. Returns -1, so that a caller can return it. */
int reason_set(struct reason *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
