#include "smtp/session.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/ascii.h"
#include "core/log.h"
#include "core/metrics.h"
#include "smtp/deadline.h"
#include "smtp/greeting.h"
#include "smtp/idle.h"
#include "smtp/login.h"
#include "smtp/notice.h"
#include "smtp/verb.h"

#define ROUNDS_MAX   4 /* reads in one turn, then the others come first */
#define CLOSING_MS   5000 /* for the last reply to leave and the peer to end */
#define RETRY_MS     1000 /* of what is held */
#define COMMANDS_MAX 10000 /* without a message, and RCPTs besides: nobody needs so many */

#define BIT(state) (1u << SESSION_##state)

static const struct {
	const char *name;
	unsigned next;
} states[SESSION_STATE_COUNT] = {
	[SESSION_NEW] = {"new", BIT(READY) | BIT(HANDSHAKE) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_READY] = {"ready",
		BIT(AUTH) | BIT(MAIL) | BIT(HELD) | BIT(HANDSHAKE) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_AUTH] = {"auth", BIT(CHECKING) | BIT(READY) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_MAIL] = {"mail", BIT(RCPT) | BIT(READY) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_RCPT] = {"rcpt", BIT(TEXT) | BIT(READY) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_TEXT] = {"text", BIT(STORING) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_STORING] = {"storing", BIT(RCPT) | BIT(READY) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_HELD] = {"held", BIT(MAIL) | BIT(READY) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_CHECKING] = {"checking", BIT(READY) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_HANDSHAKE] = {"handshake", BIT(NEW) | BIT(CLOSING) | BIT(GONE)},
	[SESSION_CLOSING] = {"closing", BIT(GONE)},
	[SESSION_GONE] = {"gone", 0},
};

const char *session_state_name(enum session_state state)
{
	return states[state].name;
}

int64_t session_now_ms(const struct session *session)
{
	return loop_now_ms(session->shared->loop);
}

static bool is_receiving(enum session_state state)
{
	return state == SESSION_TEXT || state == SESSION_STORING;
}

static void count_receiving(enum session_state from, enum session_state to)
{
	if (is_receiving(to) && !is_receiving(from))
		metric_add(METRIC_RECEIVING, 1);
	else if (is_receiving(from) && !is_receiving(to))
		metric_subtract(METRIC_RECEIVING, 1);
}

void session_move(struct session *session, enum session_state to)
{
	if (to == session->state)
		return;
	if ((states[session->state].next & 1u << to) == 0)
		log_panic("session: %s cannot follow %s", states[to].name,
			states[session->state].name);
	count_receiving(session->state, to);
	session->state = to;
	idle_note(session);
	if (to == SESSION_CLOSING)
		session->closing_end_mono_ms = session_now_ms(session) + CLOSING_MS;
	if (to == SESSION_TEXT)
		deadline_begin_text(session);
}

/* ---- what is held, and what is forgotten ---- */

bool session_hold(struct session *session, enum trouble trouble)
{
	int64_t now = session_now_ms(session);

	if (session->policy->answers[trouble].act != ACT_HOLD || session->shared->stopping)
		return false;
	if (session->hold_end_mono_ms == 0) {
		session->hold_end_mono_ms = now + session->listener->full_store_patience_ms;
		deadline_forgive(session, session->listener->full_store_patience_ms);
		log_event_limited(LOG_WARNING, "reply_held", "client=%s listener=%s why=\"%s\"",
			session->client, session->listener->name, policy_trouble_name(trouble));
	}
	if (now >= session->hold_end_mono_ms) {
		session->hold_end_mono_ms = 0;
		return false;
	}
	session->retry_mono_ms = now + RETRY_MS;
	return true;
}

void session_reset(struct session *session)
{
	data_forget(session);
	transaction_close(&session->transaction);
	session->message_quirks = (struct quirk_set){{0, 0}};
	session->hold_end_mono_ms = 0;
	if (session->state != SESSION_NEW && session->state < SESSION_CLOSING)
		session_move(session, SESSION_READY);
}

/* ---- its end ---- */

/* The client is no more; what the writer still has keeps the session. */
static void let_go(struct session *session)
{
	struct session_shared *shared = session->shared;

	session_move(session, SESSION_GONE);
	if (session->channel.conn.fd < 0)
		return;
	notice_end(session);
	loop_watch_remove(shared->loop, &session->watch);
	loop_timer_clear(shared->loop, &session->timer);
	if (session->is_later)
		TAILQ_REMOVE(&shared->later, session, later_entry);
	session->is_later = false;
	receipt_end(session);
	channel_fini(&session->channel);
	bytes_clear(&shared->desk.output);
	admission_leave(shared->admission, &session->ticket);
	login_abandon(session);
	if (session->transaction != NULL)
		data_abandon(session);
}

static void free_session(struct session *session)
{
	LIST_REMOVE(session, entry);
	session->shared->session_count--;
	transaction_close(&session->transaction);
	login_close(&session->login);
	config_close(&session->config);
	free(session->account);
	free(session->helo);
	free(session->certificate);
	free(session);
}

void session_put_off(struct session *session)
{
	if (session->is_later)
		return;
	session->is_later = true;
	TAILQ_INSERT_TAIL(&session->shared->later, session, later_entry);
}

static void close_channel(struct session *session)
{
	enum channel_end end = channel_finish(&session->channel, &session->shared->desk);

	if (end == CHANNEL_ENDED && !receipt_is_awaited(session))
		let_go(session);
	else if (end == CHANNEL_HAS_MORE)
		session_put_off(session);
}

/* ---- deadlines ---- */

static void time_out(struct session *session)
{
	metric_add(METRIC_SESSIONS_TIMED_OUT, 1);
	if (session->blocked_since_mono_ms == 0) {
		session_trouble(session, TROUBLE_TIMED_OUT);
		return;
	}
	session_count_refusal(session, TROUBLE_TIMED_OUT);
	let_go(session); /* it does not read, so it would not read a reply either */
}

/* ---- input ---- */

static bool takes_input(const struct session *session)
{
	if (session->state > SESSION_TEXT || session->hold_end_mono_ms != 0 ||
		channel_is_blocked(&session->channel))
		return false;
	return session->state != SESSION_TEXT || !handoff_is_full(&session->transaction->handoff);
}

/* Who says CR anywhere is none of those that know LF only. */
static void note_cr(struct session *session, const uint8_t *taken, size_t size)
{
	if (memchr(taken, '\r', size) != NULL)
		session->sent_cr = true;
}

/* With or without its end: what follows the word may be a password. */
static bool is_auth(const uint8_t *line, size_t size)
{
	while (size > 0 && (*line == ' ' || *line == '\t' || *line == '\0')) {
		line++;
		size--;
	}
	return ascii_begins((const char *)line, size, "AUTH");
}

/* How much of a line or lines was taken; sets wants_more when a part of a line is left. */
static size_t take_command(struct session *session, uint8_t *input, size_t size)
{
	struct command_parser *parser = &session->parser;
	struct command command;
	size_t taken;
	enum command_progress progress;

	if (manners_refuse_tls(session, input, size))
		return size;
	/* a text that is swallowed ends as any other does (manners.h) */
	parser->lone_cr = session->policy->lenient &&
			  (session->device->traits & DEVICE_LONE_CR) != 0 &&
			  session->manners.swallow != SWALLOW_TEXT &&
			  !(session->manners.swallow == SWALLOW_ARMED && input[0] == '.');
	progress = command_next(parser, input, size, &taken, &command);
	session->wants_more = progress == COMMAND_MORE;
	note_cr(session, input, taken);
	manners_begin_line(session, input, progress == COMMAND_MORE ? size : 0);
	session->said_auth = session->said_auth || is_auth(input, size);
	if (progress == COMMAND_MORE)
		return taken;
	session->spoke = true;
	if (session->state == SESSION_AUTH) {
		session->commands++;
		login_take(session, &command);
	} else if (!manners_meet(session, &command, taken, size - taken)) {
		session->commands++;
		verb_run(session, &command);
	}
	deadline_restart(session);
	if (session->commands > COMMANDS_MAX + policy_recipients(session->listener))
		session_trouble(session, TROUBLE_COMMANDS);
	return taken;
}

/* The octets of a refused BDAT. */
static size_t skip_text(struct session *session, const uint8_t *input, size_t size)
{
	size_t taken = command_rest(&session->parser, input, size);

	return taken < size ? taken + bdat_skip(session, size - taken) : taken;
}

static size_t take_text(struct session *session, const uint8_t *input, size_t size)
{
	size_t taken = command_rest(&session->parser, input, size);

	if (taken < size)
		taken += data_take(session, input + taken, size - taken);
	session->manners.behind_dot = taken < size;
	return taken;
}

static void send_replies(struct session *session)
{
	int rc;

	if (session->state == SESSION_GONE)
		return;
	rc = channel_flush(&session->channel, &session->shared->desk);
	if (rc < 0) {
		let_go(session);
		return;
	}
	receipt_note_sent(session);
	if (!channel_is_blocked(&session->channel))
		session->blocked_since_mono_ms = 0;
	else if (session->blocked_since_mono_ms == 0)
		session->blocked_since_mono_ms = session_now_ms(session);
}

/* Takes of the desk's bytes as long as the state takes any. */
static size_t take_input(struct session *session, size_t size)
{
	uint8_t *input = session->shared->desk.input;
	size_t used = 0;

	session->wants_more = false;
	while (used < size && !session->wants_more && takes_input(session)) {
		if (session->skip_octets > 0)
			used += skip_text(session, input + used, size - used);
		else if (session->state == SESSION_TEXT)
			used += take_text(session, input + used, size - used);
		else
			used += take_command(session, input + used, size - used);
		if (session->shared->desk.output.size > CHANNEL_GATHER_BYTES)
			send_replies(session);
	}
	if (session->state == SESSION_HANDSHAKE)
		used += starttls_discard(session, size - used);
	return used;
}

/* The peer has sent its last byte: what it began is nothing, what it asked for is still answered. */
static void note_peer_end(struct session *session)
{
	if (session->transaction != NULL || command_is_begun(&session->parser))
		log_event_limited(LOG_INFO, "disconnect",
			"client=%s listener=%s state=%s why=\"client closed\"", session->client,
			session->listener->name, session_state_name(session->state));
	session_move(session, SESSION_CLOSING);
}

static void read_input(struct session *session)
{
	struct session_shared *shared = session->shared;

	for (unsigned round = 0; takes_input(session); round++) {
		ssize_t got;
		size_t used;

		if (round == ROUNDS_MAX) {
			session_put_off(session);
			return;
		}
		got = channel_fill(&session->channel, &shared->desk, session->wants_more);
		if (got == -EAGAIN)
			return;
		if (got == 0)
			note_peer_end(session);
		if (got <= 0) {
			if (got < 0)
				let_go(session);
			return;
		}
		used = take_input(session, (size_t)got);
		if (session->state < SESSION_CLOSING &&
			!channel_keep(&session->channel, &shared->desk, used, (size_t)got))
			session_trouble(session, TROUBLE_MEMORY);
		if (session->said_auth && session->state != SESSION_TEXT)
			OPENSSL_cleanse(shared->desk.input, (size_t)got);
	}
}

/* The end of every call from outside: replies leave, an ended session goes, a deadline is set. It may free the session. */
static void finish_turn(struct session *session)
{
	if (session->shared->stopping && session->state <= SESSION_AUTH)
		session_trouble(session, TROUBLE_STOPPING);
	else if (session->shared->stopping && session->state == SESSION_HANDSHAKE)
		session_move(session, SESSION_CLOSING);
	send_replies(session);
	if (session->state == SESSION_HANDSHAKE) {
		handshake_step(session);
		send_replies(session);
	}
	if (session->state == SESSION_CLOSING && !channel_is_blocked(&session->channel))
		close_channel(session);
	if (session->state != SESSION_GONE) {
		deadline_arm(session);
		return;
	}
	let_go(session);
	if (!login_is_under_way(session->login) &&
		(session->transaction == NULL || !session->transaction->handoff.under_way))
		free_session(session);
}

void session_resume(struct session *session)
{
	if (session->is_later)
		TAILQ_REMOVE(&session->shared->later, session, later_entry);
	session->is_later = false;
	read_input(session);
	finish_turn(session);
}

static bool has_nothing_more(const struct channel *channel)
{
	return channel->peer_ended && channel->kept.size == 0 && !channel_has_unread(channel);
}

static void be_ready(void *owner, uint32_t events)
{
	struct session *session = owner;

	channel_note(&session->channel, events);
	/* went while its reply was held: the message is dropped; or while its login is checked: nothing can come of it */
	if ((session->hold_end_mono_ms != 0 && session->channel.peer_ended) ||
		(session->state == SESSION_CHECKING && has_nothing_more(&session->channel)))
		let_go(session);
	if (channel_is_blocked(&session->channel))
		send_replies(session);
	if (!session->is_later)
		read_input(session);
	finish_turn(session);
}

static void fire(void *owner)
{
	struct session *session = owner;

	if (deadline_next(session) > session_now_ms(session))
		deadline_arm(session);
	else if (session->state == SESSION_CLOSING)
		let_go(session);
	else if (session->state == SESSION_HANDSHAKE)
		handshake_time_out(session);
	else if (session->state == SESSION_HELD)
		mail_again(session);
	else if (session->state == SESSION_CHECKING)
		login_again(session);
	else if (session->hold_end_mono_ms != 0)
		data_again(session);
	else
		time_out(session);
	if (!session->is_later)
		read_input(session); /* what came while a reply was held */
	finish_turn(session);
}

void session_stop(struct session *session)
{
	/* one that is gone may still be held: the writer has its request */
	if (session->hold_end_mono_ms != 0 && session->state < SESSION_CLOSING)
		session_trouble(session, TROUBLE_STOPPING);
	else if (session->state == SESSION_CHECKING)
		login_hurry(session);
	finish_turn(session);
}

void session_give_way(struct session *session)
{
	session_trouble(session, TROUBLE_LONGEST_IDLE);
	finish_turn(session);
}

void session_cut(struct session *session)
{
	session_count_refusal(session, TROUBLE_STOPPING);
	let_go(session);
	finish_turn(session);
}

/* ---- its beginning ---- */

/* A Unix socket's client is on this host, and counts as 127.0.0.1. */
static bool is_in_networks(const struct config_listener *listener, const struct address *peer)
{
	static const struct address loopback = {.size = sizeof(struct sockaddr_in),
		.v4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}}};

	return network_list_has(
		&listener->networks, peer->any.sa_family == AF_UNIX ? &loopback : peer);
}

/* What the operator says of the client; a quirk that a profile is for is noted with it, as nothing else shows it. */
static void know_client(struct session *session, const struct address *peer)
{
	const struct config_client *client = config_client_of(session->config, peer);

	if (client == NULL)
		return;
	session->device = device_at(client->device);
	if (client->domain != NULL)
		session->domain = client->domain;
	if (client->charset != NULL)
		session->charset = client->charset;
	for (unsigned bit = 1; bit <= session->device->traits; bit <<= 1)
		if ((session->device->traits & bit) != 0 && device_trait_quirk(bit) != 0)
			session_quirk(session, (enum quirk)device_trait_quirk(bit), NULL, 0);
}

static struct session *make_session(struct session_shared *shared, struct config *config,
	const struct config_listener *listener, const struct accepted *accepted)
{
	struct session *session = calloc(1, sizeof(*session));
	char host[ADDRESS_TEXT_SIZE];

	if (session == NULL)
		return NULL;
	session->shared = shared;
	session->config = config_share(config);
	session->listener = listener;
	session->policy = policy_of(listener->profile);
	session->in_networks = is_in_networks(listener, &accepted->peer);
	session->device = device_at(0);
	session->domain = listener->domain;
	session->charset = listener->charset;
	session->ticket = accepted->ticket;
	snprintf(session->client, sizeof(session->client), "%.63s",
		address_format_host(&accepted->peer, host));
	if (session->policy->lenient)
		know_client(session, &accepted->peer);
	command_parser_init(&session->parser, session->policy->command_line_bytes,
		session->policy->crlf_only, session->policy->lenient);
	deadline_restart(session);
	session->end_mono_ms = session_now_ms(session) + listener->session_timeout_ms;
	session->watch.owner = session;
	session->watch.ready = be_ready;
	session->timer.owner = session;
	session->timer.fire = fire;
	return session;
}

static void greet_first(struct session *session)
{
	manners_open(session);
	greeting_banner(session);
}

void session_open(struct session_shared *shared, struct config *config,
	const struct config_listener *listener, struct accepted *accepted)
{
	struct session *session = make_session(shared, config, listener, accepted);

	if (session == NULL) {
		if (listener->profile == PROFILE_FRAGILE)
			metric_add(METRIC_FRAGILE_MEMORY, 1);
		close(accepted->fd);
		admission_leave(shared->admission, &accepted->ticket);
		free(accepted);
		return;
	}
	channel_init(&session->channel, accepted->fd, &accepted->peer);
	free(accepted);
	LIST_INSERT_HEAD(&shared->sessions, session, entry);
	shared->session_count++;
	notice_begin(session);
	log_event(LOG_DEBUG, "connect", "client=%s listener=%s", session->client,
		session->listener->name);
	if (loop_watch_add(shared->loop, &session->watch, session->channel.conn.fd,
		    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0)
		let_go(session);
	else if (!handshake_open(session))
		greet_first(session);
	finish_turn(session);
}
