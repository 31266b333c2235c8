/* session_reply.c: what a session says, and what is counted and logged of it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"
#include "smtp/notice.h"
#include "smtp/session.h"

#define REPLY_BYTES 512 /* RFC 5321 4.5.3.1.5 */
#define LINE_BYTES  80 /* what old clients have room for */

/* On a fragile listener each 4xx comes of a trouble, which counts it. */
static void count_reply(const struct session *session, const char *line, bool of_trouble)
{
	if (line[0] == '4') {
		metric_add(METRIC_REPLIES_4XX, 1);
		if (session->listener->profile == PROFILE_FRAGILE && !of_trouble)
			metric_add(METRIC_FRAGILE_OTHER, 1);
	} else if (line[0] == '5') {
		metric_add(METRIC_REPLIES_5XX, 1);
	}
}

/*
 * For clients that compare replies with the text of 1982: no enhanced code, and 250 for 251 and 252. `line` has `size` bytes and
 * a NUL; returns its new size.
 */
static int make_plain(char *line, int size)
{
	size_t code = strspn(line, "0123456789"), enhanced;

	if (strncmp(line, "251", 3) == 0 || strncmp(line, "252", 3) == 0)
		line[2] = '0';
	if (code != 3 || line[code] == '\0')
		return size;
	enhanced = strspn(line + 4, "0123456789.");
	if (enhanced < 5 || line[4 + enhanced] != ' ' || memchr(line + 4, '.', enhanced) == NULL)
		return size;
	memmove(line + 4, line + 4 + enhanced + 1, (size_t)size - 4 - enhanced);
	return size - (int)enhanced - 1;
}

__attribute__((format(printf, 3, 0))) static void gather_reply(
	struct session *session, bool of_trouble, const char *format, va_list args)
{
	struct bytes *output = &session->shared->desk.output;
	int size;

	if (session->state >= SESSION_CLOSING)
		return; /* its last reply was said */
	if (!bytes_reserve(output, REPLY_BYTES)) {
		session_move(session, SESSION_GONE);
		return;
	}
	size = vsnprintf((char *)output->data + output->size, REPLY_BYTES - 2, format, args);
	if (size > REPLY_BYTES - 3)
		size = REPLY_BYTES - 3;
	if ((session->device->traits & DEVICE_PLAIN_CODES) != 0)
		size = make_plain((char *)output->data + output->size, size);
	count_reply(session, (char *)output->data + output->size, of_trouble);
	notice_reply(session, (char *)output->data + output->size);
	memcpy(output->data + output->size + size, "\r\n", 2);
	output->size += (size_t)size + 2;
}

/* ---- replies in words ---- */

/* How much of the text stands on one line: whole words, or one that is longer. */
static size_t fit_words(const char *text, size_t room)
{
	size_t size = strlen(text), fits = room;

	if (size <= room)
		return size;
	while (fits > 0 && text[fits] != ' ')
		fits--;
	return fits > 0 ? fits : strcspn(text, " ");
}

/* One line of several; what is counted is the whole. */
static bool put_line(
	struct session *session, const char *code, bool is_last, const char *text, size_t size)
{
	struct bytes *output = &session->shared->desk.output;
	char line[REPLY_BYTES];
	int line_size = snprintf(line, sizeof(line), "%.3s%c%s %.*s", code, is_last ? ' ' : '-',
		code + 4, (int)size, text);

	if (line_size > REPLY_BYTES - 3)
		line_size = REPLY_BYTES - 3;
	if ((session->device->traits & DEVICE_PLAIN_CODES) != 0)
		line_size = make_plain(line, line_size);
	return bytes_append(output, line, (size_t)line_size) && bytes_append(output, "\r\n", 2);
}

void session_reply_text(struct session *session, const char *code, const char *text)
{
	bool one_line = (session->device->traits & DEVICE_SINGLE_LINE_EHLO) != 0;
	char whole[REPLY_BYTES];
	size_t size;

	if (session->state >= SESSION_CLOSING)
		return;
	snprintf(whole, sizeof(whole), "%s %s", code, text);
	count_reply(session, whole, false);
	notice_reply(session, whole);
	do {
		size = fit_words(text, LINE_BYTES - 2 - strlen(code) - 1);
		if (!put_line(session, code, one_line || text[size] == '\0', text, size)) {
			session_move(session, SESSION_GONE);
			return;
		}
		text += size + strspn(text + size, " ");
	} while (!one_line && *text != '\0');
}

void session_reply(struct session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	gather_reply(session, false, format, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static void reply_trouble(
	struct session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	gather_reply(session, true, format, args);
	va_end(args);
}

static void log_rejected(const struct session *session, const char *line)
{
	struct log_quoted quoted;

	log_event_limited(LOG_INFO, "rejected", "client=%s listener=%s state=%s reply=\"%s\"",
		session->client, session->listener->name, session_state_name(session->state),
		log_text(&quoted, line));
}

static void count_bad_command(struct session *session, const char *line)
{
	log_rejected(session, line);
	if (++session->bad_commands > session->listener->max_bad_commands)
		session_trouble(session, TROUBLE_BAD_COMMANDS);
}

void session_reject(struct session *session, const char *format, ...)
{
	char line[REPLY_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	session_reply(session, "%s", line);
	count_bad_command(session, line);
}

void session_reject_text(struct session *session, const char *code, const char *text)
{
	char line[REPLY_BYTES];

	snprintf(line, sizeof(line), "%s %s", code, text);
	session_reply_text(session, code, text);
	count_bad_command(session, line);
}

void session_reject_one(struct session *session, const char *line)
{
	if (!session->policy->lenient) {
		session_reject(session, "%s", line);
		return;
	}
	session_reply(session, "%s", line);
	log_rejected(session, line);
}

void session_count_refusal(const struct session *session, enum trouble trouble)
{
	enum metric metric = policy_refusal_metric(trouble);

	if (session->listener->profile == PROFILE_FRAGILE && session->state < SESSION_CLOSING &&
		metric != METRIC_COUNT)
		metric_add(metric, 1);
}

void session_trouble(struct session *session, enum trouble trouble)
{
	const struct trouble_answer *answer = &session->policy->answers[trouble];

	session_count_refusal(session, trouble);
	if (answer->act == ACT_CLOSE || answer->act == ACT_ANSWER_CLOSE)
		log_event_limited(LOG_INFO, "disconnect",
			"client=%s listener=%s state=%s why=\"%s\"", session->client,
			session->listener->name, session_state_name(session->state),
			policy_trouble_name(trouble));
	if (answer->reply != NULL)
		reply_trouble(session, "%s", answer->reply);
	notice_trouble(session, trouble);
	if (answer->act == ACT_CLOSE || answer->act == ACT_ANSWER_CLOSE)
		session_move(session, SESSION_CLOSING);
}
