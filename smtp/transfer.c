#include "smtp/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define ADDRESS_MAX 1000
#define COMMAND_MAX (ADDRESS_MAX + 64)
#define STUFFED_MAX                  \
	(STORE_PIECE_BYTES / 3 * 4 + \
		16) /* a piece of nothing but lines of one dot, CRLF and the dot behind it */
#define OUT_BYTES     (2 * STUFFED_MAX)
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
	bool reset_due; /* the last transaction was left open */
	bool running; /* inside transfer_wake: a callback must not come back in */
	bool ended; /* broken: nothing is sent or read any more */
	bool polite;
	int64_t idle_since_ms;

	struct response response;
	/* Bytes [out_start, out_end) are to be sent; they do not move until all are (TLS repeats a send as it was). */
	size_t out_start, out_end;
	uint64_t appended, offered, sent; /* positions in the stream */
	uint8_t out[OUT_BYTES];
};

/* ---- states ---- */

static const bool allowed_states[OUTGOING_STATE_COUNT][OUTGOING_STATE_COUNT] = {
	[OUTGOING_NONE] = {[OUTGOING_ENVELOPE] = true},
	[OUTGOING_ENVELOPE] =
		{[OUTGOING_TEXT] = true, [OUTGOING_LONE_DOT] = true, [OUTGOING_OVER] = true},
	[OUTGOING_TEXT] = {[OUTGOING_DOT] = true, [OUTGOING_OVER] = true},
	[OUTGOING_DOT] = {[OUTGOING_OVER] = true},
	[OUTGOING_LONE_DOT] = {[OUTGOING_OVER] = true},
};

static void enter(struct outgoing *outgoing, enum outgoing_state state)
{
	if (!allowed_states[outgoing->state][state])
		log_panic("transfer: state %d after %d", (int)state, (int)outgoing->state);
	outgoing->state = state;
}

/* ---- commands: [RSET] MAIL RCPT… DATA, by their number ---- */

enum command { COMMAND_RSET, COMMAND_MAIL, COMMAND_RCPT, COMMAND_DATA };

static size_t command_count(const struct outgoing *outgoing)
{
	return (outgoing->reset ? 1 : 0) + 1 + outgoing->recipient_count + 1;
}

/* Which command the number is; *recipient tells which of the RCPTs. */
static enum command command_at(const struct outgoing *outgoing, size_t number, size_t *recipient)
{
	*recipient = 0;
	if (outgoing->reset && number == 0)
		return COMMAND_RSET;
	number -= outgoing->reset ? 1 : 0;
	if (number == 0)
		return COMMAND_MAIL;
	*recipient = number - 1;
	return *recipient < outgoing->recipient_count ? COMMAND_RCPT : COMMAND_DATA;
}

static enum reply_stage mail_stage(const struct outgoing *outgoing)
{
	return outgoing->on_idle ? STAGE_REUSE : STAGE_MAIL;
}

/* The stage of the reply that is awaited next. */
static enum reply_stage stage_of(const struct transfer *transfer, const struct outgoing *outgoing)
{
	bool tls = upstream_is_tls(transfer->options.upstream);
	size_t recipient;

	switch (outgoing->state) {
	case OUTGOING_TEXT:
		return STAGE_TEXT;
	case OUTGOING_DOT:
		/* Over TLS a send that would block may have sent a part of it. */
		return (tls ? transfer->offered : transfer->sent) > outgoing->dot_at ? STAGE_DOT
										     : STAGE_TEXT;
	case OUTGOING_LONE_DOT:
		return STAGE_RCPT;
	default:
		break;
	}
	switch (command_at(outgoing, outgoing->answered, &recipient)) {
	case COMMAND_RSET:
		return STAGE_REUSE;
	case COMMAND_MAIL:
		return mail_stage(outgoing);
	case COMMAND_RCPT:
		return STAGE_RCPT;
	case COMMAND_DATA:
		break;
	}
	return STAGE_DATA;
}

bool transfer_address_is_clean(const char *address)
{
	size_t size = 0;

	for (; address[size] != '\0'; size++)
		if ((uint8_t)address[size] < ' ' || (uint8_t)address[size] > '~')
			return false;
	return size < ADDRESS_MAX;
}

/* ---- out ---- */

static size_t room_in(const struct transfer *transfer)
{
	return sizeof(transfer->out) - transfer->out_end;
}

static void append(struct transfer *transfer, const void *from, size_t size)
{
	memcpy(transfer->out + transfer->out_end, from, size);
	transfer->out_end += size;
	transfer->appended += size;
}

static void append_text(struct transfer *transfer, const char *text)
{
	append(transfer, text, strlen(text));
}

static void append_mail(struct transfer *transfer, const struct outgoing *outgoing)
{
	const struct envelope *envelope = outgoing->envelope;
	const struct upstream_offer *offer = upstream_offer(transfer->options.upstream);
	char size[32];

	append_text(transfer, "MAIL FROM:<");
	append_text(transfer, envelope->reverse_path);
	append_text(transfer, ">");
	if (offer->size_said) {
		snprintf(
			size, sizeof(size), " SIZE=%llu", (unsigned long long)envelope->size_bytes);
		append_text(transfer, size);
	}
	if (envelope->flags & ENVELOPE_EIGHTBIT)
		append_text(transfer, " BODY=8BITMIME");
	append_text(transfer, "\r\n");
}

static void append_command(struct transfer *transfer, struct outgoing *outgoing)
{
	const struct envelope *envelope = outgoing->envelope;
	size_t recipient;

	switch (command_at(outgoing, outgoing->written++, &recipient)) {
	case COMMAND_RSET:
		append_text(transfer, "RSET\r\n");
		break;
	case COMMAND_MAIL:
		append_mail(transfer, outgoing);
		break;
	case COMMAND_RCPT:
		recipient = outgoing->recipients[recipient].index;
		append_text(transfer, "RCPT TO:<");
		append_text(transfer, envelope->recipients[recipient].address);
		append_text(transfer, ">\r\n");
		break;
	case COMMAND_DATA:
		append_text(transfer, "DATA\r\n");
		break;
	}
}

static void write_envelope(struct transfer *transfer, struct outgoing *outgoing)
{
	bool pipelining = upstream_offer(transfer->options.upstream)->pipelining;

	while (outgoing->written < command_count(outgoing) &&
		(pipelining || outgoing->written == outgoing->answered) &&
		room_in(transfer) >= COMMAND_MAX)
		append_command(transfer, outgoing);
}

/* A dot at the start of a line is doubled (RFC 5321 4.5.2). */
static void append_stuffed(struct transfer *transfer, struct outgoing *outgoing, size_t size)
{
	const uint8_t *from = transfer->options.scratch, *end = from + size;

	while (from < end) {
		const uint8_t *line_end = memchr(from, '\n', (size_t)(end - from));
		size_t part = (size_t)((line_end != NULL ? line_end + 1 : end) - from);

		if (outgoing->line_start && *from == '.')
			append(transfer, ".", 1);
		append(transfer, from, part);
		outgoing->line_start = line_end != NULL;
		from += part;
	}
}

static void append_piece(struct transfer *transfer, struct outgoing *outgoing, size_t size)
{
	if (outgoing->envelope->flags & ENVELOPE_HAS_DOTS)
		append_stuffed(transfer, outgoing, size);
	else
		append(transfer, transfer->options.scratch, size);
	outgoing->line_start = transfer->options.scratch[size - 1] == '\n';
}

/* The text is proven whole. */
static void append_dot(struct transfer *transfer, struct outgoing *outgoing)
{
	if (!outgoing->line_start)
		append_text(transfer, "\r\n");
	outgoing->dot_at = transfer->appended;
	append_text(transfer, ".\r\n");
	enter(outgoing, OUTGOING_DOT);
}

/* Returns false when the text cannot be read. */
static bool write_text(struct transfer *transfer, struct outgoing *outgoing)
{
	while (outgoing->state == OUTGOING_TEXT && room_in(transfer) >= STUFFED_MAX) {
		ssize_t size = reader_next(&outgoing->reader, transfer->options.scratch);

		if (size < 0) {
			outgoing->read_error = (int)size;
			return false;
		}
		if (size == 0)
			append_dot(transfer, outgoing);
		else
			append_piece(transfer, outgoing, (size_t)size);
	}
	return true;
}

/* ---- deadlines ---- */

static void set_deadline(struct transfer *transfer, int64_t timeout_ms)
{
	int64_t now_ms = loop_now_ms(transfer->options.loop);

	transfer->deadline_ms = now_ms + timeout_ms;
	if (!transfer->timer.armed || transfer->timer.due_mono_ms > transfer->deadline_ms)
		loop_timer_set(transfer->options.loop, &transfer->timer, transfer->deadline_ms);
}

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
	set_deadline(transfer, timeout_ms);
}

/* ---- ends ---- */

/* Accepted recipients share the message's fate: delivered, failed with it, or as stage and class say. */
static void settle_accepted(struct outgoing *outgoing)
{
	enum message_effect fate = reply_effect(outgoing->stage, outgoing->class)->message;

	for (size_t i = 0; i < outgoing->recipient_count; i++) {
		struct job_recipient *recipient = &outgoing->recipients[i];

		if (fate == MESSAGE_FAIL && (recipient->effect == RECIPIENT_ACCEPTED ||
						    recipient->effect == RECIPIENT_UNCHANGED ||
						    recipient->effect == RECIPIENT_SPLIT))
			recipient->effect = RECIPIENT_FAIL;
		else if (fate != MESSAGE_DONE && recipient->effect == RECIPIENT_ACCEPTED)
			recipient->effect = RECIPIENT_UNCHANGED;
	}
}

static void decide(struct outgoing *outgoing, enum reply_stage stage, enum reply_class class,
	const char *reply, const char *status)
{
	outgoing->stage = stage;
	outgoing->class = class;
	snprintf(outgoing->reply, sizeof(outgoing->reply), "%s", reply);
	snprintf(outgoing->status, sizeof(outgoing->status), "%s", status);
}

static void decide_by_response(struct transfer *transfer, struct outgoing *outgoing,
	enum reply_stage stage, enum reply_class class)
{
	decide(outgoing, stage, class, transfer->response.text, transfer->response.status);
}

/* The first transaction is over; the one behind it is first now. */
static void finish(struct transfer *transfer)
{
	struct outgoing *outgoing = transfer->first;

	enter(outgoing, OUTGOING_OVER);
	reader_fini(&outgoing->reader);
	settle_accepted(outgoing);
	transfer->first = transfer->second;
	transfer->second = NULL;
	transfer->idle_since_ms = loop_now_ms(transfer->options.loop);
	transfer->options.done(transfer->options.owner, outgoing);
}

/* What upstream said before stands, whatever becomes of the connection: nobody is accepted. */
static bool is_decided(const struct outgoing *outgoing)
{
	size_t before = outgoing->reset ? 2 : 1;

	return outgoing->state == OUTGOING_LONE_DOT || outgoing->refused ||
	       (outgoing->state == OUTGOING_ENVELOPE && outgoing->accepted == 0 &&
		       outgoing->answered == before + outgoing->recipient_count);
}

/*
 * The connection is of no use any more. Whoever waits on it hears of it; a transaction that followed others and was
 * answered nothing yet only met a connection that was used up.
 */
static void break_off(struct transfer *transfer, enum reply_class class, const char *why)
{
	transfer->ended = true;
	while (transfer->first != NULL) {
		struct outgoing *outgoing = transfer->first;
		enum reply_stage stage = stage_of(transfer, outgoing);

		if (stage == STAGE_MAIL && outgoing->behind && class == REPLY_DROPPED)
			stage = STAGE_REUSE;
		if (!is_decided(outgoing))
			decide(outgoing, stage, class, why, "");
		finish(transfer);
		class = REPLY_DROPPED; /* the one behind only loses its connection */
	}
}

/* A reply decided for the first outgoing, and the connection goes with it. */
static void break_off_by_response(
	struct transfer *transfer, enum reply_stage stage, enum reply_class class)
{
	transfer->ended = true;
	decide_by_response(transfer, transfer->first, stage, class);
	finish(transfer);
	break_off(transfer, REPLY_DROPPED, "connection closed after a reply to the message before");
}

/* ---- in: one reply ---- */

static void take_mail_reply(
	struct transfer *transfer, struct outgoing *outgoing, enum reply_class class)
{
	if (class == REPLY_POSITIVE) {
		transfer->reset_due = true; /* until a dot ends it */
		return;
	}
	outgoing->refused = true;
	decide_by_response(transfer, outgoing, mail_stage(outgoing), class);
}

static void take_rcpt_reply(
	struct transfer *transfer, struct outgoing *outgoing, size_t number, enum reply_class class)
{
	struct job_recipient *recipient = &outgoing->recipients[number];
	const struct response *response = &transfer->response;

	if (outgoing->refused)
		return; /* 503: it only repeats the refusal of MAIL */
	recipient->effect = reply_effect(STAGE_RCPT, class)->recipient;
	if (recipient->effect == RECIPIENT_ACCEPTED) {
		outgoing->accepted++;
		return;
	}
	recipient->reply = envelope_text(outgoing->envelope, response->text);
	recipient->status = response->status[0] != '\0'
				    ? envelope_text(outgoing->envelope, response->status)
				    : NULL;
	decide_by_response(transfer, outgoing, STAGE_RCPT, class);
}

static void take_data_reply(
	struct transfer *transfer, struct outgoing *outgoing, enum reply_class class)
{
	bool wanted = !outgoing->refused && outgoing->accepted > 0;

	if (class == REPLY_POSITIVE && wanted) {
		enter(outgoing, OUTGOING_TEXT);
	} else if (class == REPLY_POSITIVE) {
		/* It wants a text although it took no recipient: an empty one, which is no success. */
		append_text(transfer, ".\r\n");
		enter(outgoing, OUTGOING_LONE_DOT);
	} else {
		if (wanted)
			decide_by_response(transfer, outgoing, STAGE_DATA, class);
		finish(transfer);
	}
}

/* One by one, and nobody was accepted: there is nothing to say DATA for. */
static bool is_pointless(const struct transfer *transfer, const struct outgoing *outgoing)
{
	return !upstream_offer(transfer->options.upstream)->pipelining && is_decided(outgoing);
}

static void take_command_reply(struct transfer *transfer, struct outgoing *outgoing)
{
	enum reply_stage stage = stage_of(transfer, outgoing);
	enum reply_class class = reply_classify(stage, transfer->response.code,
		response_words(&transfer->response), outgoing->accepted);
	size_t recipient;
	enum command command = command_at(outgoing, outgoing->answered, &recipient);

	if (is_decided(outgoing) && (class == REPLY_BUSY || class == REPLY_DROPPED)) {
		break_off(transfer, REPLY_DROPPED, "connection closed");
		return;
	}
	if (command == COMMAND_RSET && class != REPLY_POSITIVE) {
		break_off(transfer, REPLY_DROPPED, "RSET was refused");
		return;
	}
	if (!is_decided(outgoing) && reply_effect(stage, class)->close) {
		break_off_by_response(transfer, stage, class);
		return;
	}
	switch (command) {
	case COMMAND_RSET:
		transfer->reset_due = false;
		break;
	case COMMAND_MAIL:
		take_mail_reply(transfer, outgoing, class);
		break;
	case COMMAND_RCPT:
		take_rcpt_reply(transfer, outgoing, recipient, class);
		break;
	case COMMAND_DATA:
		take_data_reply(transfer, outgoing, class);
		return;
	}
	outgoing->answered++;
	if (is_pointless(transfer, outgoing))
		finish(transfer);
}

/* The reply to the final dot. */
static void take_dot_reply(struct transfer *transfer, struct outgoing *outgoing)
{
	enum reply_stage stage = stage_of(transfer, outgoing);
	enum reply_class class = reply_classify(
		stage, transfer->response.code, response_words(&transfer->response), 0);

	if (stage != STAGE_DOT || reply_effect(stage, class)->close) {
		break_off_by_response(transfer, stage, class);
		return;
	}
	transfer->reset_due = false;
	decide_by_response(transfer, outgoing, stage, class);
	finish(transfer);
}

/* The empty text is answered; what was decided before stays. */
static void take_lone_dot_reply(struct transfer *transfer)
{
	int class = transfer->response.code / 100;

	finish(transfer);
	transfer->reset_due = false;
	if (transfer->response.code == 421 || class == 3)
		break_off(transfer, REPLY_DROPPED, "connection closed");
}

static void take_reply(struct transfer *transfer)
{
	struct outgoing *outgoing = transfer->first;
	enum reply_class class;

	if (outgoing == NULL) {
		transfer->ended = true; /* 421 on an idle connection, or out of step */
		return;
	}
	switch (outgoing->state) {
	case OUTGOING_ENVELOPE:
		if (outgoing->answered < outgoing->written)
			take_command_reply(transfer, outgoing);
		else
			break_off(transfer, REPLY_DROPPED, "a reply that nobody asked for");
		break;
	case OUTGOING_DOT:
		take_dot_reply(transfer, outgoing);
		break;
	case OUTGOING_LONE_DOT:
		take_lone_dot_reply(transfer);
		break;
	default:
		class = reply_classify(STAGE_TEXT, transfer->response.code,
			response_words(&transfer->response), 0);
		break_off_by_response(transfer, STAGE_TEXT, class);
		break;
	}
}

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
		else if (result == RESPONSE_DONE)
			take_reply(transfer);
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
		move_deadline(transfer);
		if (!tls && (size_t)size < sizeof(in))
			return;
	}
}

/* ---- the turn ---- */

static bool is_used_up(const struct transfer *transfer)
{
	const struct upstream_offer *offer = upstream_offer(transfer->options.upstream);

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

static void begin(struct transfer *transfer, struct outgoing *outgoing)
{
	bool idle = transfer->first == NULL;

	outgoing->on_idle =
		idle && transfer->begun > 0 &&
		loop_now_ms(transfer->options.loop) - transfer->idle_since_ms >= IDLE_MS;
	outgoing->behind = transfer->begun > 0;
	outgoing->reset = idle && transfer->reset_due;
	outgoing->refused = false;
	outgoing->written = outgoing->answered = 0;
	outgoing->accepted = 0;
	outgoing->read_error = 0;
	outgoing->line_start = true;
	outgoing->reply[0] = outgoing->status[0] = '\0';
	outgoing->state = OUTGOING_NONE;
	for (size_t i = 0; i < outgoing->recipient_count; i++)
		outgoing->recipients[i] =
			(struct job_recipient){.index = outgoing->recipients[i].index};
	reader_init(&outgoing->reader, outgoing->view, outgoing->envelope);
	enter(outgoing, OUTGOING_ENVELOPE);
	transfer->begun++;
	if (idle)
		transfer->first = outgoing;
	else
		transfer->second = outgoing;
}

/* Puts into the buffer what can be said now. False: a text could not be read. */
static bool write_all(struct transfer *transfer)
{
	for (;;) {
		struct outgoing *last =
			transfer->second != NULL ? transfer->second : transfer->first;

		if (last != NULL && last->state == OUTGOING_ENVELOPE)
			write_envelope(transfer, last);
		if (last != NULL && last->state == OUTGOING_TEXT && !write_text(transfer, last))
			return false;
		if (!transfer_is_idle(transfer) && !transfer_has_room(transfer))
			return true;
		last = transfer->options.next(transfer->options.owner);
		if (last == NULL)
			return true;
		begin(transfer, last);
		if (transfer->first == last)
			move_deadline(transfer);
	}
}

/* Sends what the buffer holds. True: all of it went. */
static bool send_all(struct transfer *transfer)
{
	while (transfer->out_start < transfer->out_end) {
		size_t size = transfer->out_end - transfer->out_start;
		ssize_t sent;

		transfer->offered = transfer->appended;
		sent = upstream_send(
			transfer->options.upstream, transfer->out + transfer->out_start, size);
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

static bool has_more_to_say(const struct transfer *transfer)
{
	const struct outgoing *last = transfer->second != NULL ? transfer->second : transfer->first;

	if (last == NULL)
		return false;
	return last->state == OUTGOING_TEXT ||
	       (last->state == OUTGOING_ENVELOPE && last->written < command_count(last) &&
		       upstream_offer(transfer->options.upstream)->pipelining);
}

static void speak(struct transfer *transfer)
{
	bool pending = false;

	for (int turn = 0; turn < TURNS_AT_ONCE && !transfer->ended; turn++) {
		uint64_t sent = transfer->sent;

		if (!write_all(transfer)) {
			break_off(transfer, REPLY_DROPPED, "the text could not be read");
			return;
		}
		pending = !send_all(transfer);
		if (transfer->sent != sent && !transfer->ended)
			move_deadline(transfer);
		if (pending || !has_more_to_say(transfer))
			break;
		pending = true; /* if this was the last turn, the next comes when there is room */
	}
	if (!transfer->ended)
		loop_watch_change(transfer->options.loop, &transfer->watch,
			pending ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Speaks, and tells the owner last of all when the connection has ended: he may close it then. */
static void run(struct transfer *transfer)
{
	transfer->running = true;
	speak(transfer);
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
	if (!transfer->running && !transfer->ended)
		run(transfer);
}

static void ready(void *owner, uint32_t events)
{
	struct transfer *transfer = owner;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		transfer->running = true;
		receive(transfer);
	}
	run(transfer);
}

static void deadline_over(void *owner)
{
	struct transfer *transfer = owner;

	if (loop_now_ms(transfer->options.loop) < transfer->deadline_ms) {
		loop_timer_set(transfer->options.loop, &transfer->timer, transfer->deadline_ms);
		return;
	}
	transfer->polite = transfer->first == NULL;
	break_off(transfer, REPLY_TIMED_OUT, "timed out");
	transfer->options.broken(transfer->options.owner, transfer->polite);
}

void transfer_cut(struct transfer *transfer)
{
	if (transfer->ended)
		return;
	transfer->polite = transfer->first == NULL;
	break_off(transfer, REPLY_DROPPED, "cut off: the relay stops");
	transfer->options.broken(transfer->options.owner, transfer->polite);
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
