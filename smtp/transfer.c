#include "smtp/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/response.h"

#define OUT_BYTES     (2 * OUTGOING_TEXT_MAX)
#define IN_BYTES      16384
#define IDLE_MS       1000 /* unused for so long, a 421 speaks of the connection, not of the host */
#define TURNS_AT_ONCE 4 /* buffers sent before others get their turn */

struct transfer {
	struct transfer_options options;
	struct loop_watch watch;
	struct loop_timer timer;
	int64_t deadline_ms; /* the timer is moved to it only when it fires */
	struct outgoing *first; /* whose replies come next */
	struct outgoing *second; /* pipelined behind the first one's dot */
	unsigned begun; /* transactions on this connection */
	bool reset_due; /* the last one was left open */
	int64_t idle_since_ms;
	bool running; /* a callback must not come back in */
	bool ended; /* nothing is sent or read any more */
	bool polite;

	struct response response;
	/* Bytes [out_start, out_end) are to be sent; they do not move until all are (TLS repeats a send as it was). */
	size_t out_start, out_end;
	uint64_t appended, offered, sent; /* positions in the stream */
	uint64_t dot_at; /* the first one's final dot */
	uint8_t out[OUT_BYTES];
};

static bool is_used_up(const struct transfer *transfer)
{
	const struct offer *offer = upstream_offer(transfer->options.upstream);

	return transfer->begun >= transfer->options.config->max_messages ||
	       (offer->messages_max != 0 && transfer->begun >= offer->messages_max);
}

bool transfer_is_idle(const struct transfer *transfer)
{
	return transfer->first == NULL && !transfer->ended && !is_used_up(transfer);
}

bool transfer_has_room(const struct transfer *transfer)
{
	return transfer->first != NULL && transfer->first->state == OUTGOING_DOT &&
	       transfer->second == NULL && !transfer->ended && !is_used_up(transfer) &&
	       upstream_offer(transfer->options.upstream)->pipelining;
}

/* Over TLS a send that would block may have sent a part of what it was offered. */
static bool is_dot_sent(const struct transfer *transfer)
{
	bool tls = upstream_is_tls(transfer->options.upstream);

	return transfer->first->state == OUTGOING_DOT &&
	       (tls ? transfer->offered : transfer->sent) > transfer->dot_at;
}

/* ---- deadlines ---- */

/* By what is awaited now; called when something moved. */
static void move_deadline(struct transfer *transfer)
{
	const struct config_upstream *config = transfer->options.config;
	int64_t timeout_ms = config->idle_timeout_ms;

	if (transfer->first != NULL) {
		switch (transfer->first->state) {
		case OUTGOING_TEXT:
			timeout_ms = config->data_timeout_ms;
			break;
		case OUTGOING_DOT:
		case OUTGOING_LONE_DOT:
			timeout_ms = config->dot_timeout_ms;
			break;
		default:
			timeout_ms = config->command_timeout_ms;
			break;
		}
	}
	transfer->deadline_ms = loop_now_ms(transfer->options.loop) + timeout_ms;
	if (!transfer->timer.armed || transfer->timer.due_mono_ms > transfer->deadline_ms)
		loop_timer_set(transfer->options.loop, &transfer->timer, transfer->deadline_ms);
}

/* ---- beginnings and ends ---- */

static void begin(struct transfer *transfer, struct outgoing *outgoing)
{
	const struct offer *offer = upstream_offer(transfer->options.upstream);
	bool first = transfer->first == NULL;
	int64_t idle_ms = loop_now_ms(transfer->options.loop) - transfer->idle_since_ms;
	const struct outgoing_terms terms = {
		.pipelining = offer->pipelining,
		.size_said = offer->size_said,
		.reset = first && transfer->reset_due,
		.on_idle = first && transfer->begun > 0 && idle_ms >= IDLE_MS,
		.behind = transfer->begun > 0,
	};

	outgoing_begin(outgoing, &terms);
	transfer->begun++;
	if (first) {
		transfer->first = outgoing;
		move_deadline(transfer);
	} else {
		transfer->second = outgoing;
	}
}

/* The first transaction is over; the one behind it is first now. */
static void finish(struct transfer *transfer)
{
	struct outgoing *outgoing = transfer->first;

	transfer->reset_due = outgoing->left_open;
	transfer->first = transfer->second;
	transfer->second = NULL;
	transfer->idle_since_ms = loop_now_ms(transfer->options.loop);
	transfer->options.done(transfer->options.owner, outgoing);
}

/*
 * The one behind only loses its connection. It is told before the one in front is: when that one's end rests the host,
 * its owner has the one behind back among those that wait, and opens no connection for it.
 */
static void break_behind(struct transfer *transfer, const char *why)
{
	struct outgoing *behind = transfer->second;

	if (behind == NULL)
		return;
	transfer->second = NULL;
	outgoing_break(behind, REPLY_DROPPED, why, false);
	transfer->options.done(transfer->options.owner, behind);
}

/* The connection is of no use any more; whoever waits on it hears of it. */
static void break_off(struct transfer *transfer, enum reply_class class, const char *why)
{
	transfer->ended = true;
	break_behind(transfer, why);
	if (transfer->first == NULL)
		return;
	outgoing_break(transfer->first, class, why, is_dot_sent(transfer));
	finish(transfer);
}

/* ---- in ---- */

static void append(struct transfer *transfer, size_t size)
{
	transfer->out_end += size;
	transfer->appended += size;
}

static void take_reply(struct transfer *transfer)
{
	if (transfer->first == NULL) {
		transfer->ended = true; /* 421 on an idle connection, or out of step */
		return;
	}
	switch (outgoing_take(transfer->first, &transfer->response, is_dot_sent(transfer))) {
	case OUTGOING_GOES_ON:
		break;
	case OUTGOING_SAYS_DOT: /* all before it has been answered, so the buffer is empty */
		memcpy(transfer->out + transfer->out_end, ".\r\n", 3);
		append(transfer, 3);
		break;
	case OUTGOING_ENDS:
		finish(transfer);
		break;
	case OUTGOING_BREAKS:
		transfer->ended = true;
		break_behind(transfer, "connection closed after the message before");
		finish(transfer);
		break;
	}
}

/* A whole reply begins a new deadline; single bytes and lines of one do not: a peer could drip them for ever. */
static void take_bytes(struct transfer *transfer, const uint8_t *bytes, size_t size)
{
	while (size > 0 && !transfer->ended) {
		size_t taken;
		enum response_result result =
			response_parse(&transfer->response, bytes, size, &taken);

		bytes += taken;
		size -= taken;
		if (result == RESPONSE_BAD)
			break_off(transfer, REPLY_DROPPED, "no SMTP reply");
		else if (result == RESPONSE_DONE) {
			take_reply(transfer);
			move_deadline(transfer);
		}
	}
}

/* Reads what is there. Over TLS until it would block: bytes that OpenSSL holds do not make the descriptor readable. */
static void receive(struct transfer *transfer)
{
	uint8_t in[IN_BYTES];
	bool tls = upstream_is_tls(transfer->options.upstream);

	while (!transfer->ended) {
		ssize_t size = upstream_receive(transfer->options.upstream, in, sizeof(in));

		if (size == -EAGAIN)
			return;
		if (size <= 0) {
			break_off(transfer, REPLY_DROPPED,
				size == 0 ? "connection closed" : "connection lost");
			return;
		}
		take_bytes(transfer, in, (size_t)size);
		if (!tls && (size_t)size < sizeof(in))
			return;
	}
}

/* ---- out ---- */

static size_t room_in(const struct transfer *transfer)
{
	return sizeof(transfer->out) - transfer->out_end;
}

static void write_commands(struct transfer *transfer, struct outgoing *outgoing)
{
	while (outgoing_has_command(outgoing) && room_in(transfer) >= OUTGOING_COMMAND_MAX)
		append(transfer, outgoing_write_command(
					 outgoing, (char *)transfer->out + transfer->out_end));
}

/* Returns false when the text cannot be read. */
static bool write_text(struct transfer *transfer, struct outgoing *outgoing)
{
	while (outgoing->state == OUTGOING_TEXT && room_in(transfer) >= OUTGOING_TEXT_MAX) {
		size_t dot = 0;
		ssize_t size = outgoing_write_text(outgoing, transfer->options.scratch,
			transfer->out + transfer->out_end, &dot);

		if (size < 0)
			return false;
		if (outgoing->state == OUTGOING_DOT)
			transfer->dot_at = transfer->appended + dot;
		append(transfer, (size_t)size);
	}
	return true;
}

/* Who speaks now: the last one that was begun. */
static struct outgoing *speaker(const struct transfer *transfer)
{
	return transfer->second != NULL ? transfer->second : transfer->first;
}

/* Puts into the buffer what can be said now. False: a text could not be read. */
static bool write_all(struct transfer *transfer)
{
	for (;;) {
		struct outgoing *outgoing = speaker(transfer);

		if (outgoing != NULL) {
			write_commands(transfer, outgoing);
			if (!write_text(transfer, outgoing))
				return false;
		}
		if (!transfer_is_idle(transfer) && !transfer_has_room(transfer))
			return true;
		outgoing = transfer->options.next(transfer->options.owner);
		if (outgoing == NULL)
			return true;
		begin(transfer, outgoing);
	}
}

/* Sends what the buffer holds. True: all of it went. */
static bool send_all(struct transfer *transfer)
{
	while (transfer->out_start < transfer->out_end) {
		ssize_t sent;

		transfer->offered = transfer->appended;
		sent = upstream_send(transfer->options.upstream,
			transfer->out + transfer->out_start,
			transfer->out_end - transfer->out_start);
		if (sent == -EAGAIN)
			return false;
		if (sent < 0) {
			receive(transfer); /* a reply that says why comes before the end */
			if (!transfer->ended)
				break_off(transfer, REPLY_DROPPED, "connection lost");
			return false;
		}
		transfer->out_start += (size_t)sent;
		transfer->sent += (uint64_t)sent;
	}
	transfer->out_start = transfer->out_end = 0;
	return true;
}

static void speak(struct transfer *transfer)
{
	bool pending = false;

	for (int turn = 0; turn < TURNS_AT_ONCE && !transfer->ended; turn++) {
		uint64_t sent = transfer->sent;
		const struct outgoing *outgoing;

		if (!write_all(transfer)) {
			break_off(transfer, REPLY_DROPPED, "the text could not be read");
			return;
		}
		pending = !send_all(transfer);
		if (transfer->sent != sent && !transfer->ended)
			move_deadline(transfer);
		outgoing = speaker(transfer);
		if (pending || outgoing == NULL ||
			(outgoing->state != OUTGOING_TEXT && !outgoing_has_command(outgoing)))
			break;
		pending = true; /* after the last turn it goes on when the descriptor is writable */
	}
	if (!transfer->ended)
		loop_watch_change(transfer->options.loop, &transfer->watch,
			pending ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- the turn ---- */

/* Tells the owner last of all when the connection has ended: he may close it then. */
static void end_turn(struct transfer *transfer)
{
	transfer->running = false;
	if (!transfer->ended && transfer->first == NULL && is_used_up(transfer)) {
		transfer->ended = true;
		transfer->polite = transfer->out_start == transfer->out_end;
	}
	if (transfer->ended)
		transfer->options.broken(transfer->options.owner, transfer->polite);
}

void transfer_wake(struct transfer *transfer)
{
	if (transfer->running || transfer->ended)
		return;
	transfer->running = true;
	speak(transfer);
	end_turn(transfer);
}

static void ready(void *owner, uint32_t events)
{
	struct transfer *transfer = owner;

	transfer->running = true;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(transfer);
	speak(transfer);
	end_turn(transfer);
}

static void end_now(struct transfer *transfer, enum reply_class class, const char *why)
{
	transfer->running = true;
	transfer->polite = transfer->first == NULL;
	break_off(transfer, class, why);
	end_turn(transfer);
}

static void deadline_over(void *owner)
{
	struct transfer *transfer = owner;

	if (loop_now_ms(transfer->options.loop) < transfer->deadline_ms)
		loop_timer_set(transfer->options.loop, &transfer->timer, transfer->deadline_ms);
	else
		end_now(transfer, REPLY_TIMED_OUT, "timed out");
}

void transfer_cut(struct transfer *transfer)
{
	if (!transfer->ended)
		end_now(transfer, REPLY_DROPPED, "cut off: the relay stops");
}

struct transfer *transfer_open(const struct transfer_options *options)
{
	struct transfer *transfer = malloc(sizeof(*transfer));

	if (transfer == NULL)
		return NULL;
	/* All but the buffer, whose pages are touched only as far as they are used. */
	memset(transfer, 0, offsetof(struct transfer, out));
	transfer->options = *options;
	transfer->watch = (struct loop_watch){.owner = transfer, .ready = ready};
	transfer->timer = (struct loop_timer){.owner = transfer, .fire = deadline_over};
	response_init(&transfer->response);
	if (loop_watch_add(
		    options->loop, &transfer->watch, upstream_fd(options->upstream), EPOLLIN) < 0) {
		free(transfer);
		return NULL;
	}
	move_deadline(transfer);
	return transfer;
}

void transfer_close(struct transfer **transfer)
{
	if (transfer == NULL || *transfer == NULL)
		return;
	loop_watch_remove((*transfer)->options.loop, &(*transfer)->watch);
	loop_timer_clear((*transfer)->options.loop, &(*transfer)->timer);
	free(*transfer);
	*transfer = NULL;
}
