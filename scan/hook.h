/*
 * hook.h: the interface of what looks at a message's text: the built-in rules now, scanners outside later.
 *
 *   1. open: once a scanner thread; its state belongs to that thread.
 *   2. begin, then feed with each piece of the text in order, then finish, which says what was found.
 *   3. begin again for the next message, whatever became of the last one.
 *
 * Errors: negative errno: this hook can give no verdict now, and the message waits. A message is never clean by accident.
 */
#ifndef SLUICE_SCAN_HOOK_H
#define SLUICE_SCAN_HOOK_H

#include <stddef.h>
#include <stdint.h>

#include "queue/envelope.h"

#define FINDING_THREAT_SIZE 128

struct finding {
	enum recipient_verdict verdict; /* VERDICT_CLEAN or VERDICT_VIRUS */
	char threat[FINDING_THREAT_SIZE]; /* the virus's name, or "" */
	const char *hook; /* the name of the one that found it; the chain's */
};

struct hook {
	const char *name;
	void *(*open)(void); /* NULL: without memory */
	void (*close)(void *state);
	int (*begin)(void *state);
	int (*feed)(void *state, const uint8_t *bytes, size_t size);
	int (*finish)(void *state, struct finding *finding);
};

#endif
