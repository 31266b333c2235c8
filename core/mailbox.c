#include "core/mailbox.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/ring.h"

struct mailbox {
	struct ring *ring;
	int fd;
	_Atomic bool asleep;
	_Atomic bool nudged;
	_Atomic unsigned pushing; /* threads inside push or nudge */
};

struct mailbox *mailbox_open(size_t capacity)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

	if (mailbox == NULL)
		return NULL;
	mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mailbox->ring = ring_open(capacity);
	atomic_init(&mailbox->asleep, true);
	atomic_init(&mailbox->nudged, false);
	atomic_init(&mailbox->pushing, 0);
	if (mailbox->fd < 0 || mailbox->ring == NULL)
		mailbox_close(&mailbox);
	return mailbox;
}

void mailbox_close(struct mailbox **mailbox)
{
	if (mailbox == NULL || *mailbox == NULL)
		return;
	/* acquire: pairs with the release of end_push, so nobody writes to a descriptor that is closed */
	while (atomic_load_explicit(&(*mailbox)->pushing, memory_order_acquire) != 0)
		sched_yield();
	if ((*mailbox)->fd >= 0)
		close((*mailbox)->fd);
	ring_close(&(*mailbox)->ring);
	free(*mailbox);
	*mailbox = NULL;
}

/*
 * All changes of `asleep` are read-modify-writes with acquire and release, so they synchronise in their one order: either
 * the owner's "I sleep" comes before the producer's exchange, which then finds it and writes the eventfd, or it comes
 * after, and the owner's look at the ring sees what the producer put there.
 */
static bool set_asleep(struct mailbox *mailbox, bool asleep)
{
	return atomic_exchange_explicit(&mailbox->asleep, asleep, memory_order_acq_rel);
}

static bool wake_owner(struct mailbox *mailbox)
{
	uint64_t one = 1;
	ssize_t written;

	if (!set_asleep(mailbox, false))
		return false;
	written = write(mailbox->fd, &one, sizeof(one));
	(void)written; /* EAGAIN: the counter is full, so the owner is woken anyway */
	return true;
}

/*
 * The owner may have popped the letter, and want to close, while its sender has not yet come to the wake-up. What the pop
 * saw, the close sees too: this count was raised before the letter was in the ring.
 */
static void begin_push(struct mailbox *mailbox)
{
	atomic_fetch_add_explicit(&mailbox->pushing, 1, memory_order_relaxed);
}

static void end_push(struct mailbox *mailbox)
{
	/* release: pairs with the acquire in mailbox_close */
	atomic_fetch_sub_explicit(&mailbox->pushing, 1, memory_order_release);
}

bool mailbox_nudge(struct mailbox *mailbox)
{
	bool woke;

	begin_push(mailbox);
	atomic_store_explicit(&mailbox->nudged, true, memory_order_relaxed);
	woke = wake_owner(mailbox);
	end_push(mailbox);
	return woke;
}

bool mailbox_push(struct mailbox *mailbox, struct letter *letter)
{
	bool pushed;

	begin_push(mailbox);
	pushed = ring_push(mailbox->ring, letter);
	if (pushed)
		wake_owner(mailbox);
	end_push(mailbox);
	return pushed;
}

struct letter *mailbox_pop(struct mailbox *mailbox)
{
	return ring_pop(mailbox->ring);
}

bool mailbox_rest(struct mailbox *mailbox)
{
	set_asleep(mailbox, true);
	if (ring_depth(mailbox->ring) == 0 &&
		!atomic_exchange_explicit(&mailbox->nudged, false, memory_order_relaxed))
		return true;
	set_asleep(mailbox, false);
	return false;
}

void mailbox_wake(struct mailbox *mailbox)
{
	uint64_t count;
	ssize_t taken = read(mailbox->fd, &count, sizeof(count));

	(void)taken; /* EAGAIN: somebody else's spurious wake-up */
	set_asleep(mailbox, false);
}

void mailbox_rise(struct mailbox *mailbox)
{
	set_asleep(mailbox, false);
}

int mailbox_fd(const struct mailbox *mailbox)
{
	return mailbox->fd;
}

size_t mailbox_depth(const struct mailbox *mailbox)
{
	return ring_depth(mailbox->ring);
}
