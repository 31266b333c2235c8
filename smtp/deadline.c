#include "smtp/deadline.h"

#include "smtp/idle.h"
#include "smtp/login.h"

#define MS_PER_S        1000
#define RATE_GRACE_PART 10 /* of data_timeout: what a message begins with */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t rate_grace_ms(const struct session *session)
{
	return session->listener->data_timeout_ms / RATE_GRACE_PART;
}

void deadline_restart(struct session *session)
{
	int64_t now = session_now_ms(session);

	session->waits_since_mono_ms = now;
	idle_note(session);
	if (session->rate_end_mono_ms < now + rate_grace_ms(session))
		session->rate_end_mono_ms = now + rate_grace_ms(session);
}

void deadline_begin_text(struct session *session)
{
	int64_t now = session_now_ms(session);

	session->text_end_mono_ms = now + session->listener->message_timeout_ms;
	session->rate_end_mono_ms = now + rate_grace_ms(session);
}

/* What was owed is forgotten: before the crowd came nobody asked for it. */
void deadline_note_text(struct session *session, size_t bytes)
{
	const struct config_listener *listener = session->listener;
	int64_t now = session_now_ms(session), earned_ms;

	session->waits_since_mono_ms = now;
	if (listener->min_data_rate_bytes == 0)
		return;
	earned_ms = (int64_t)(bytes * MS_PER_S / listener->min_data_rate_bytes);
	if (session->rate_end_mono_ms < now)
		session->rate_end_mono_ms = now;
	session->rate_end_mono_ms =
		sooner(session->rate_end_mono_ms + earned_ms, now + listener->data_timeout_ms);
}

void deadline_forgive(struct session *session, int64_t ms)
{
	session->text_end_mono_ms += ms;
	session->end_mono_ms += ms;
}

/* The writer has what is held, and will answer. */
static bool is_asking(const struct session *session)
{
	return session->state != SESSION_HELD && session->transaction->handoff.under_way;
}

/* Text is what the session waits for, and nothing of ours keeps it from reading. */
static bool has_rate(const struct session *session)
{
	return session->state == SESSION_TEXT && session->hold_end_mono_ms == 0 &&
	       session->blocked_since_mono_ms == 0 && session->listener->min_data_rate_bytes != 0 &&
	       !handoff_is_full(&session->transaction->handoff);
}

static int64_t next_of_text(const struct session *session)
{
	int64_t due = sooner(session->end_mono_ms, session->text_end_mono_ms);

	if (handoff_is_full(&session->transaction->handoff))
		return due;
	due = sooner(due, session->waits_since_mono_ms + session->listener->data_timeout_ms);
	if (has_rate(session) &&
		admission_is_crowded(session->shared->admission, session->ticket.listener))
		due = sooner(due, session->rate_end_mono_ms);
	return due;
}

int64_t deadline_next(const struct session *session)
{
	int64_t command_timeout_ms = session->listener->command_timeout_ms;

	if (session->state == SESSION_CLOSING)
		return session->closing_end_mono_ms;
	if (session->state == SESSION_CHECKING)
		return login_due_mono_ms(session->login);
	if (session->state == SESSION_HANDSHAKE)
		return handshake_due_ms(session);
	if (session->hold_end_mono_ms != 0)
		return is_asking(session) ? INT64_MAX : session->retry_mono_ms;
	if (session->blocked_since_mono_ms != 0)
		return session->blocked_since_mono_ms + command_timeout_ms;
	if (session->state == SESSION_STORING)
		return INT64_MAX;
	if (session->state == SESSION_TEXT)
		return next_of_text(session);
	return sooner(session->end_mono_ms, session->waits_since_mono_ms + command_timeout_ms);
}

/* When it is worth looking whether the listener has become crowded. */
static int64_t next_look(const struct session *session)
{
	int64_t soonest = session_now_ms(session) + rate_grace_ms(session);

	if (!has_rate(session))
		return INT64_MAX;
	return session->rate_end_mono_ms > soonest ? session->rate_end_mono_ms : soonest;
}

void deadline_arm(struct session *session)
{
	int64_t due = sooner(deadline_next(session), next_look(session));

	if (due == INT64_MAX || (session->timer.armed && session->timer.due_mono_ms <= due))
		return;
	loop_timer_set(session->shared->loop, &session->timer, due);
}
