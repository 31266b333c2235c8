/*
 * screen.h: the terminal while something live is on it: another page, no cursor, keys as they are pressed.
 *
 * screen_open leaves the shell's page alone and screen_close brings it back, also when a signal ends the program: signals
 * are read here like keys (signalfd), so nothing runs in a handler.
 * Threads: one; one screen a process.
 */
#ifndef SLUICE_ADMIN_SCREEN_H
#define SLUICE_ADMIN_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screen;

enum screen_event {
	SCREEN_TIME, /* the time is over */
	SCREEN_RESIZED,
	SCREEN_QUIT, /* q, or a signal that ends programs */
};

/* NULL: standard output is no terminal. */
struct screen *screen_open(void);
void screen_close(struct screen **screen);

/* Waits for a key, a signal, or until `wait_ms` are over. Ctrl-Z stops the program, and draws again after it. */
enum screen_event screen_wait(struct screen *screen, int wait_ms);

struct screen_size {
	size_t columns, rows;
};
struct screen_size screen_size(void);

/* What was drawn, from the upper left corner; what was below is cleared. Lines are cut to the screen by whoever drew. */
void screen_show(const void *frame, size_t size);

/* The terminal shows characters beyond ASCII. */
bool screen_has_utf8(void);
bool screen_has_colours(void);

#endif
