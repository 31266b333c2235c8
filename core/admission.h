/*
 * admission.h: how many clients are in: in total, on a listener, from an address, from a network; and how often they come.
 *
 * Counts by address and by network (ADMISSION_V4_BITS, ADMISSION_V6_BITS) stand in a fixed table of 64-bit words (40 bits of a
 * keyed hash, 24 bits of count), changed by compare-and-swap: no lock, no growth. Two acceptors that meet a new address in the same
 * instant may count it in two places; the limit is then off by that one, and nothing leaks.
 *
 * Rates are kept in a second table, a word for who came lately: its hash, and the time at which all that it took of its rate
 * is made good (the generic cell rate algorithm). A minute's worth may come at once. A word whose time has come is free. When more
 * have come lately than the table holds, those it has no room for are not held to their rate.
 *
 * A reserve: on a listener that has one, and in total once any has, the last tenth of the places is for addresses that have
 * no connection there yet, so that one host's many connections never keep a device out. Who then waits asks for room, and a worker
 * takes the request and closes one of its idle sessions: one flag, which the asker sets and whoever has such a session takes.
 *
 * Threads: any. Limits: max_connections is a limit in total; a table four times that size never fills.
 */
#ifndef SLUICE_CORE_ADMISSION_H
#define SLUICE_CORE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/clock.h"

struct admission;

#define ADMISSION_V4_BITS 24 /* what a network is */
#define ADMISSION_V6_BITS 64

struct admission_ticket {
	uint32_t slot, network_slot;
	uint32_t listener;
};

struct admission_limits {
	unsigned total;
	unsigned address;
	unsigned network; /* 0: none, here and below */
	unsigned address_rate, network_rate; /* new connections a minute */
	bool reserves; /* a tenth of the places for addresses without one */
};

enum admission_answer {
	ADMISSION_IN,
	ADMISSION_FULL,
	ADMISSION_ADDRESS_FULL,
	ADMISSION_NETWORK_FULL,
	ADMISSION_ADDRESS_RATE, /* it comes too often */
	ADMISSION_NETWORK_RATE,
	ADMISSION_RESERVED, /* what is left is for addresses without a connection */
};

/* limits[i] are those of listener i; `total` bounds all listeners together. */
struct admission *admission_open(unsigned total, const struct admission_limits *limits,
	size_t listener_count, const struct clock *clock);
void admission_close(struct admission **admission);

/* Other limits of the listeners, for those who come from now on. */
void admission_configure(struct admission *admission, const struct admission_limits *limits);

/* Whether another client would be over a limit in total, before its address is known. */
bool admission_has_room(const struct admission *admission, unsigned listener);

/* Four fifths of the places are taken, in total or on the listener: slow clients cost others theirs. */
bool admission_is_crowded(const struct admission *admission, unsigned listener);

/* Nine tenths of the places are taken, in total or on the listener, which has a reserve. */
bool admission_is_tight(const struct admission *admission, unsigned listener);

/* Somebody is in the reserve, or waits: a session of a tight listener may be closed. True: nobody had asked yet. */
bool admission_ask_room(struct admission *admission, unsigned listener);
bool admission_room_is_asked(const struct admission *admission);
/* True for one caller, who closes one session. */
bool admission_take_ask(struct admission *admission);

/* "too many connections from this address" …: for the log. */
const char *admission_answer_name(enum admission_answer answer);
/* Whether the client's own address or network is over its limit: places that come free elsewhere are no use to it. */
bool admission_is_own_limit(enum admission_answer answer);

enum admission_answer admission_enter(struct admission *admission, unsigned listener,
	const struct address *peer, struct admission_ticket *ticket);
/*
 * The same for one that got ADMISSION_RESERVED and has nowhere to wait: into the reserve, unless its address holds a tenth of the
 * listener's places already.
 */
enum admission_answer admission_enter_reserve(struct admission *admission, unsigned listener,
	const struct address *peer, struct admission_ticket *ticket);
void admission_leave(struct admission *admission, const struct admission_ticket *ticket);

unsigned admission_count(const struct admission *admission);

#endif
