/*
 * mailbox_list.h: address lists of header fields as clients write them. RFC 5322 3.4, 4.4; RFC 6854.
 *
 * A list is read item by item: a display name, an address with "<>" or without, comments; in groups or not. Who reads is
 * tolerant; what is well-formed is never written anew, and of a list with one wrong item the well-formed ones stay byte for
 * byte but for folding. Where an item is written anew, all are well-formed behind it: what is not understood becomes a name.
 *
 *   Müller, Hans <h@x>    a name without an address is the first part of the next one's: one encoded display name
 *   Smith, John <j@x>     in From too; elsewhere Smith may be an address without a domain, and such a one stays
 *   bob, <bob>, bob@      in front of anything else they get the domain
 *   Front Desk            no address: left; with 8-bit it becomes an empty group, which is one way to write a mere name
 *   Hans h@x              in From: Hans <h@x>
 * From must have an address that can be used, and all its items must be understood; else it cannot be used.
 *
 * Threads: any.
 */
#ifndef SLUICE_QUEUE_MAILBOX_LIST_H
#define SLUICE_QUEUE_MAILBOX_LIST_H

#include "queue/field.h"
#include "queue/fold.h"

/* Of a value as it stands, folded. */
bool mailbox_list_is_right(
	enum field_kind kind, const char *value, size_t size, const struct field_terms *terms);

/* Of an unfolded one. 0: nothing to do; 1: written; 2: it cannot be used. */
int mailbox_list_repair(enum field_kind kind, const char *text, size_t size,
	const struct field_terms *terms, struct quirk_set *found, bool *address_eightbit,
	struct fold *fold);

#endif
