/*
 * content.h: a message's text as the body of an answer, piece by piece.
 *
 * Each piece is one short read of the store (queue/reader.h); nothing is held while the client takes its time. Text that
 * turns out to be damaged or deleted on the way breaks the connection off, so that nobody takes a part for the whole.
 * Threads: the admin thread. Owner: libmicrohttpd's response, which frees it.
 */
#ifndef SLUICE_ADMIN_CONTENT_H
#define SLUICE_ADMIN_CONTENT_H

#include <microhttpd.h>

#include "queue/envelope.h"
#include "queue/reader.h"
#include "queue/store.h"

/* Takes the envelope over on success. NULL without memory. */
struct MHD_Response *content_respond(
	struct store_view *view, struct envelope **envelope, enum reader_how how);

#endif
