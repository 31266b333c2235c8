#include "smtp/outgoing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/utf8.h"

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
		log_panic("outgoing: state %d after %d", (int)state, (int)outgoing->state);
	outgoing->state = state;
}

void outgoing_begin(struct outgoing *outgoing, const struct outgoing_terms *terms)
{
	outgoing->terms = *terms;
	outgoing->reply[0] = outgoing->status[0] = '\0';
	outgoing->read_error = 0;
	outgoing->left_open = terms->reset;
	outgoing->refused = false;
	outgoing->written = outgoing->answered = 0;
	outgoing->accepted = 0;
	outgoing->line_start = true;
	for (size_t i = 0; i < outgoing->recipient_count; i++)
		outgoing->recipients[i] =
			(struct job_recipient){.index = outgoing->recipients[i].index};
	reader_init(&outgoing->reader, outgoing->view, outgoing->envelope, outgoing->how);
	outgoing->state = OUTGOING_NONE;
	enter(outgoing, OUTGOING_ENVELOPE);
}

/* ---- commands: [RSET] MAIL RCPT… DATA, by their number ---- */

enum command { COMMAND_RSET, COMMAND_MAIL, COMMAND_RCPT, COMMAND_DATA };

static size_t command_count(const struct outgoing *outgoing)
{
	return (outgoing->terms.reset ? 1 : 0) + 1 + outgoing->recipient_count + 1;
}

/* Which command the number is; *recipient tells which of the RCPTs. */
static enum command command_at(const struct outgoing *outgoing, size_t number, size_t *recipient)
{
	*recipient = 0;
	if (outgoing->terms.reset && number == 0)
		return COMMAND_RSET;
	number -= outgoing->terms.reset ? 1 : 0;
	if (number == 0)
		return COMMAND_MAIL;
	*recipient = number - 1;
	return *recipient < outgoing->recipient_count ? COMMAND_RCPT : COMMAND_DATA;
}

bool outgoing_address_is_clean(const char *address, bool smtputf8)
{
	bool eightbit = false;
	size_t size = 0;

	for (; address[size] != '\0'; size++) {
		if ((uint8_t)address[size] < ' ' || address[size] == 0x7f)
			return false;
		eightbit |= (uint8_t)address[size] > '~';
	}
	if (size >= OUTGOING_ADDRESS_MAX)
		return false;
	return !eightbit || (smtputf8 && utf8_is_valid(address, size));
}

bool outgoing_has_command(const struct outgoing *outgoing)
{
	return outgoing->state == OUTGOING_ENVELOPE &&
	       outgoing->written < command_count(outgoing) &&
	       (outgoing->terms.pipelining || outgoing->written == outgoing->answered);
}

static char *put_mail(const struct outgoing *outgoing, char *to)
{
	const struct envelope *envelope = outgoing->envelope;
	char size[32];

	to = stpcpy(to, "MAIL FROM:<");
	to = stpcpy(to, envelope->reverse_path);
	to = stpcpy(to, ">");
	if (outgoing->terms.size_said) {
		snprintf(size, sizeof(size), " SIZE=%llu",
			(unsigned long long)reader_estimate(&outgoing->reader));
		to = stpcpy(to, size);
	}
	if ((envelope->flags & ENVELOPE_EIGHTBIT) && outgoing->how != READ_SEVENBIT)
		to = stpcpy(to, " BODY=8BITMIME");
	if (outgoing->smtputf8)
		to = stpcpy(to, " SMTPUTF8");
	return stpcpy(to, "\r\n");
}

size_t outgoing_write_command(struct outgoing *outgoing, char *to)
{
	char *end = to;
	size_t recipient;

	switch (command_at(outgoing, outgoing->written++, &recipient)) {
	case COMMAND_RSET:
		end = stpcpy(end, "RSET\r\n");
		break;
	case COMMAND_MAIL:
		end = put_mail(outgoing, end);
		break;
	case COMMAND_RCPT:
		recipient = outgoing->recipients[recipient].index;
		end = stpcpy(end, "RCPT TO:<");
		end = stpcpy(end, outgoing->envelope->recipients[recipient].address);
		end = stpcpy(end, ">\r\n");
		break;
	case COMMAND_DATA:
		end = stpcpy(end, "DATA\r\n");
		break;
	}
	return (size_t)(end - to);
}

/* ---- the text ---- */

/* A dot at the start of a line is doubled (RFC 5321 4.5.2). */
static size_t stuff(struct outgoing *outgoing, const uint8_t *from, size_t size, uint8_t *to)
{
	const uint8_t *end = from + size;
	uint8_t *at = to;
	bool line_start = outgoing->line_start;

	while (from < end) {
		const uint8_t *line_end = memchr(from, '\n', (size_t)(end - from));
		size_t part = (size_t)((line_end != NULL ? line_end + 1 : end) - from);

		if (line_start && *from == '.')
			*at++ = '.';
		memcpy(at, from, part);
		at += part;
		from += part;
		line_start = line_end != NULL;
	}
	return (size_t)(at - to);
}

static bool is_stopped(const struct outgoing *outgoing)
{
	/* acquire: pairs with the release in queue/scheduler_claims.c */
	return outgoing->stopped != NULL &&
	       atomic_load_explicit(outgoing->stopped, memory_order_acquire);
}

ssize_t outgoing_write_text(struct outgoing *outgoing, uint8_t *scratch, uint8_t *to, size_t *dot)
{
	bool stuffed =
		(outgoing->envelope->flags & ENVELOPE_HAS_DOTS) ||
		outgoing->envelope->plan_size > 0; /* what a repair brings was not looked at */
	ssize_t size = is_stopped(outgoing)
			       ? -ECANCELED
			       : reader_next(&outgoing->reader, stuffed ? scratch : to);
	size_t written;
	char *end;

	if (size < 0) {
		outgoing->read_error = (int)size;
		return size;
	}
	if (size > 0) {
		written = stuffed ? stuff(outgoing, scratch, (size_t)size, to) : (size_t)size;
		outgoing->line_start = to[written - 1] == '\n';
		return (ssize_t)written;
	}
	end = (char *)to;
	if (!outgoing->line_start)
		end = stpcpy(end, "\r\n");
	*dot = (size_t)(end - (char *)to);
	end = stpcpy(end, ".\r\n");
	enter(outgoing, OUTGOING_DOT);
	return end - (char *)to;
}

/* ---- what decided ---- */

static void decide(struct outgoing *outgoing, enum reply_stage stage, enum reply_class class,
	const char *reply, const char *status)
{
	outgoing->stage = stage;
	outgoing->class = class;
	snprintf(outgoing->reply, sizeof(outgoing->reply), "%s", reply);
	snprintf(outgoing->status, sizeof(outgoing->status), "%s", status);
}

static void decide_by(struct outgoing *outgoing, enum reply_stage stage, enum reply_class class,
	const struct response *response)
{
	decide(outgoing, stage, class, response->text, response->status);
}

/* Nobody is accepted: what was said of it stands, whatever comes after. */
static bool is_decided(const struct outgoing *outgoing)
{
	size_t before = outgoing->terms.reset ? 2 : 1;

	return outgoing->state == OUTGOING_LONE_DOT || outgoing->refused ||
	       (outgoing->state == OUTGOING_ENVELOPE && outgoing->accepted == 0 &&
		       outgoing->answered == before + outgoing->recipient_count);
}

/* Accepted recipients share the message's fate: delivered, failed with it, or as stage and class say. */
static void settle_accepted(struct outgoing *outgoing)
{
	enum message_effect fate = reply_effect(outgoing->stage, outgoing->class)->message;

	for (size_t i = 0; i < outgoing->recipient_count; i++) {
		enum recipient_effect *effect = &outgoing->recipients[i].effect;

		if (fate == MESSAGE_FAIL && *effect != RECIPIENT_DEFER)
			*effect = RECIPIENT_FAIL;
		else if (fate != MESSAGE_DONE && *effect == RECIPIENT_ACCEPTED)
			*effect = RECIPIENT_UNCHANGED;
	}
}

static enum outgoing_verdict end(struct outgoing *outgoing, enum outgoing_verdict verdict)
{
	enter(outgoing, OUTGOING_OVER);
	reader_fini(&outgoing->reader);
	settle_accepted(outgoing);
	return verdict;
}

/* The stage of the reply that is awaited next. */
static enum reply_stage stage_of(const struct outgoing *outgoing, bool dot_sent)
{
	size_t recipient;

	if (outgoing->state == OUTGOING_TEXT || outgoing->state == OUTGOING_DOT)
		return outgoing->state == OUTGOING_DOT && dot_sent ? STAGE_DOT : STAGE_TEXT;
	switch (command_at(outgoing, outgoing->answered, &recipient)) {
	case COMMAND_RSET:
		return STAGE_REUSE;
	case COMMAND_MAIL:
		return outgoing->terms.on_idle ? STAGE_REUSE : STAGE_MAIL;
	case COMMAND_RCPT:
		return STAGE_RCPT;
	case COMMAND_DATA:
		break;
	}
	return STAGE_DATA;
}

void outgoing_break(
	struct outgoing *outgoing, enum reply_class class, const char *why, bool dot_sent)
{
	enum reply_stage stage = stage_of(outgoing, dot_sent);

	/* One that follows others and was answered nothing met a connection that was used up. */
	if (stage == STAGE_MAIL && outgoing->terms.behind && class == REPLY_DROPPED)
		stage = STAGE_REUSE;
	if (!is_decided(outgoing))
		decide(outgoing, stage, class, why, "");
	(void)end(outgoing, OUTGOING_BREAKS);
}

/* ---- replies ---- */

/* A connection cannot be used up by its first message: there it is the host that is busy, or it would be tried in a circle. */
static enum reply_class classify(
	const struct outgoing *outgoing, enum reply_stage stage, const struct response *response)
{
	enum reply_class class =
		reply_classify(stage, response->code, response_words(response), outgoing->accepted);

	if (class == REPLY_TOO_MANY && stage != STAGE_RCPT && !outgoing->terms.behind)
		return response->code == 421 ? REPLY_BUSY : REPLY_TRANSIENT;
	return class;
}

static void take_rcpt(struct outgoing *outgoing, size_t number, enum reply_class class,
	const struct response *response)
{
	struct job_recipient *recipient = &outgoing->recipients[number];

	if (outgoing->refused)
		return; /* 503: it only repeats the refusal of MAIL */
	recipient->effect = reply_effect(STAGE_RCPT, class)->recipient;
	if (recipient->effect == RECIPIENT_ACCEPTED) {
		outgoing->accepted++;
		return;
	}
	recipient->reply = envelope_text(outgoing->envelope, response->text);
	if (response->status[0] != '\0')
		recipient->status = envelope_text(outgoing->envelope, response->status);
	decide_by(outgoing, STAGE_RCPT, class, response);
}

static enum outgoing_verdict take_data(
	struct outgoing *outgoing, enum reply_class class, const struct response *response)
{
	bool wanted = !is_decided(outgoing);

	if (class == REPLY_POSITIVE && wanted) {
		enter(outgoing, OUTGOING_TEXT);
		return OUTGOING_GOES_ON;
	}
	if (class == REPLY_POSITIVE) {
		enter(outgoing, OUTGOING_LONE_DOT);
		return OUTGOING_SAYS_DOT;
	}
	if (wanted)
		decide_by(outgoing, STAGE_DATA, class, response);
	return end(outgoing, OUTGOING_ENDS);
}

/* A reply that ends the connection; on what is decided only one that says so itself. */
static bool ends_connection(
	const struct outgoing *outgoing, enum reply_stage stage, enum reply_class class)
{
	if (is_decided(outgoing))
		return class == REPLY_BUSY || class == REPLY_DROPPED;
	return reply_effect(stage, class)->close;
}

static enum outgoing_verdict take_command(
	struct outgoing *outgoing, const struct response *response)
{
	enum reply_stage stage = stage_of(outgoing, false);
	enum reply_class class = classify(outgoing, stage, response);
	size_t recipient;
	enum command command = command_at(outgoing, outgoing->answered, &recipient);

	if (ends_connection(outgoing, stage, class) ||
		(command == COMMAND_RSET && class != REPLY_POSITIVE)) {
		if (command == COMMAND_RSET)
			decide(outgoing, STAGE_REUSE, REPLY_DROPPED, "RSET was refused", "");
		else if (!is_decided(outgoing))
			decide_by(outgoing, stage, class, response);
		return end(outgoing, OUTGOING_BREAKS);
	}
	if (command == COMMAND_DATA)
		return take_data(outgoing, class, response);
	if (command == COMMAND_RCPT)
		take_rcpt(outgoing, recipient, class, response);
	else if (class == REPLY_POSITIVE)
		outgoing->left_open = command == COMMAND_MAIL;
	else {
		outgoing->refused = true;
		decide_by(outgoing, stage, class, response);
	}
	outgoing->answered++;
	/* One by one, and nobody was accepted: there is nothing to say DATA for. */
	if (!outgoing->terms.pipelining && is_decided(outgoing))
		return end(outgoing, OUTGOING_ENDS);
	return OUTGOING_GOES_ON;
}

/* A reply while the text goes out, or to the final dot. */
static enum outgoing_verdict take_final(
	struct outgoing *outgoing, const struct response *response, bool dot_sent)
{
	enum reply_stage stage = stage_of(outgoing, dot_sent);
	enum reply_class class = classify(outgoing, stage, response);

	decide_by(outgoing, stage, class, response);
	if (stage != STAGE_DOT || reply_effect(stage, class)->close)
		return end(outgoing, OUTGOING_BREAKS);
	outgoing->left_open = false;
	return end(outgoing, OUTGOING_ENDS);
}

enum outgoing_verdict outgoing_take(
	struct outgoing *outgoing, const struct response *response, bool dot_sent)
{
	switch (outgoing->state) {
	case OUTGOING_ENVELOPE:
		if (outgoing->answered < outgoing->written)
			return take_command(outgoing, response);
		outgoing_break(outgoing, REPLY_DROPPED, "a reply that nobody asked for", false);
		return OUTGOING_BREAKS;
	case OUTGOING_LONE_DOT:
		outgoing->left_open = false;
		return end(outgoing, response->code == 421 || response->code / 100 == 3
					     ? OUTGOING_BREAKS
					     : OUTGOING_ENDS);
	default:
		return take_final(outgoing, response, dot_sent);
	}
}
