#include "smtp/idle.h"

/* It only brings the turn back. */
static void wake_up(void *owner)
{
	(void)owner;
}

void idle_init(struct session_shared *shared)
{
	TAILQ_INIT(&shared->idle);
	shared->idle_timer.owner = shared;
	shared->idle_timer.fire = wake_up;
}

void idle_note(struct session *session)
{
	struct session_queue *idle = &session->shared->idle;

	if (session->is_idle)
		TAILQ_REMOVE(idle, session, idle_entry);
	session->is_idle = session->state == SESSION_READY && session->policy->lenient;
	if (session->is_idle)
		TAILQ_INSERT_TAIL(idle, session, idle_entry);
}

/* What came last counts, even when epoll has not told of it yet. */
static bool is_quiet(const struct session *session)
{
	const struct channel *channel = &session->channel;

	return !session->is_later && !channel->readable && !channel->peer_ended &&
	       channel->kept.size == 0 && channel->unsent.size == 0 &&
	       !command_is_begun(&session->parser) && !channel_has_unread(channel);
}

void idle_give_way(struct session_shared *shared)
{
	struct session *session;

	if (!admission_room_is_asked(shared->admission))
		return;
	TAILQ_FOREACH (session, &shared->idle, idle_entry) {
		int64_t due = session->waits_since_mono_ms + IDLE_LEAST_MS;

		if (!admission_is_tight(shared->admission, session->ticket.listener))
			continue;
		if (due > loop_now_ms(shared->loop)) {
			loop_timer_set(shared->loop, &shared->idle_timer, due);
			return;
		}
		if (!is_quiet(session))
			continue;
		if (admission_take_ask(shared->admission))
			session_give_way(session);
		return;
	}
}
