/*
 * device.h: named profiles of clients that need more than leniency: other words from us. One table (device.c).
 *
 * An operator attaches one to an address or network: client "10.1.2.3" { profile = ups-card }. It applies on fragile
 * listeners only. Without one a client gets the default: no traits. Names and numbers stand in core/config_options.c too, which
 * may not include this (a unit test compares them).
 */
#ifndef SLUICE_SMTP_DEVICE_H
#define SLUICE_SMTP_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/quirk.h"

enum device_trait {
	DEVICE_BANNER_SMTP = 1 << 0, /* the banner says SMTP, not ESMTP */
	DEVICE_SINGLE_LINE_EHLO = 1 << 1, /* EHLO is answered by one line */
	DEVICE_EHLO_502 = 1 << 2, /* EHLO is 502, so that it says HELO */
	DEVICE_LONE_CR = 1 << 3, /* a CR alone ends a command line */
	DEVICE_PLAIN_CODES =
		1 << 4, /* replies have no enhanced code, every positive one is 250 */
	/* extensions that are not offered to it (they are taken when it uses them all the same) */
	DEVICE_HIDE_PIPELINING = 1 << 8,
	DEVICE_HIDE_SIZE = 1 << 9,
	DEVICE_HIDE_8BITMIME = 1 << 10,
	DEVICE_HIDE_CODES = 1 << 11, /* ENHANCEDSTATUSCODES */
	DEVICE_HIDE_CHUNKING = 1 << 12,
	DEVICE_HIDE_SMTPUTF8 = 1 << 13,
	DEVICE_HIDE_LIMITS = 1 << 14,
	DEVICE_HIDE_STARTTLS = 1 << 15,
	DEVICE_HIDE_AUTH = 1 << 16,
	DEVICE_AUTH_EQUALS = 1 << 17, /* AUTH stands there as AUTH= too */
};

struct device {
	const char *name; /* "ups-card" */
	unsigned traits;
	const char *meaning; /* one line: who needs it and why */
};

/* The quirk that a trait is there for, which sessions with it note; 0: none, or it is noted when it shows. */
unsigned device_trait_quirk(enum device_trait trait);

/* Number 0 is "default". NULL: no such number. */
const struct device *device_at(size_t number);
/* By name; NULL: none. */
const struct device *device_find(const char *name);

#endif
