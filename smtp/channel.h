/*
 * channel.h: a client's connection with the bytes that wait on both sides of it. It knows nothing of SMTP.
 *
 * Bytes in:
 *   1. channel_fill puts what was kept from last time, and behind it what the socket has, into the worker's desk.
 *   2. The session takes what it can, straight from there.
 *   3. channel_keep copies what is left to the session's own memory: a part of a command, or what came behind a message
 *      that is not stored yet. An idle session keeps nothing and owns no buffer. It is wiped when it was used.
 * Bytes out:
 *   1. Replies are gathered on the desk while the session works.
 *   2. channel_flush sends them all in one call. What the socket does not take stays with the channel, and the session
 *      does no more work until EPOLLOUT has drained it: a slow reader of replies stops itself.
 *
 * Edge-triggered: `readable` is remembered until a read has found nothing more.
 * Threads: the worker's. Errors: as conn.h.
 * Limits: one read is at most CHANNEL_READ_BYTES; what is kept at most that and one command line, as the session reads
 * only when it has nothing kept, or a part of a line.
 */
#ifndef SLUICE_SMTP_CHANNEL_H
#define SLUICE_SMTP_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/bytes.h"
#include "core/conn.h"

#define CHANNEL_READ_BYTES   65536
#define CHANNEL_GATHER_BYTES 16384 /* so many bytes of replies are sent before more work is done */

/* What the channels of one worker share: each needs it only while its session works. */
struct channel_desk {
	uint8_t *input; /* room for what a channel may have kept, and one read */
	size_t input_capacity;
	struct bytes output;
};

bool channel_desk_init(struct channel_desk *desk, size_t kept_max);
void channel_desk_fini(struct channel_desk *desk);

struct channel {
	struct conn conn;
	struct bytes kept;
	struct bytes unsent;
	uint64_t sent_bytes; /* that the socket has taken */
	bool readable; /* there may be something to read */
	bool finishing;
	bool peer_ended; /* the socket has told that the peer sends no more; it may still have bytes for us */
};

void channel_init(struct channel *channel, int fd, const struct address *peer);
void channel_fini(struct channel *channel);

/* What epoll told. */
void channel_note(struct channel *channel, uint32_t events);

/*
 * Fills the desk; the result is how many bytes are there. With `wants_more` what is kept is a part of a line and is
 * no use alone; without it what is kept comes first and nothing is read. 0: the peer ended. -EAGAIN: nothing now.
 */
ssize_t channel_fill(struct channel *channel, struct channel_desk *desk, bool wants_more);

/* Keeps the desk's bytes from `from` on; `size` is how many there are in all. False without memory. */
bool channel_keep(struct channel *channel, const struct channel_desk *desk, size_t from,
	size_t size) __attribute__((warn_unused_result));

/* Sends what is gathered. 0, also when a part stays unsent; -errno when the connection is broken. */
int channel_flush(struct channel *channel, struct channel_desk *desk);
/* Bytes that went to the socket, those of TLS itself too. */
uint64_t channel_wire_bytes(const struct channel *channel);
/* Whether the socket has bytes that were not read. */
bool channel_has_unread(const struct channel *channel);
static inline bool channel_is_blocked(const struct channel *channel)
{
	return channel->unsent.size > 0;
}

enum channel_end {
	CHANNEL_ENDED, /* the socket may be closed */
	CHANNEL_WAITS, /* the peer may still send: come again when it is readable */
	CHANNEL_HAS_MORE, /* come again after the others had their turn */
};

/*
 * Nothing more is sent, and what the peer still sends is dropped: closing with bytes unread would cut off the last reply
 * (the kernel resets such a connection).
 */
enum channel_end channel_finish(struct channel *channel, struct channel_desk *desk);

#endif
