#include "smtp/greeting.h"

#include <stdio.h>

#include "smtp/verb.h"

#define LINES_MAX 16
#define LINE_SIZE 352 /* a hostname's 255 bytes and a client's 63, and the words between */

static bool has(const struct session *session, enum device_trait trait)
{
	return (session->device->traits & trait) != 0;
}

void greeting_banner(struct session *session)
{
	session_reply(session, "220 %s %s Sluice", session->config->hostname,
		has(session, DEVICE_BANNER_SMTP) ? "SMTP" : "ESMTP");
}

void greeting_helo(struct session *session)
{
	session_reply(session, "250 %s", session->config->hostname);
}

bool greeting_refuses_ehlo(struct session *session)
{
	if (!has(session, DEVICE_EHLO_502))
		return false;
	session_reply(session, "502 5.5.1 Command is not offered here");
	return true;
}

/* ---- EHLO ---- */

/* An extension's line. */
typedef void format_fn(const struct session *session, char *line);

static void format_size(const struct session *session, char *line)
{
	snprintf(line, LINE_SIZE, "SIZE %llu",
		(unsigned long long)session->listener->max_message_bytes);
}

static void format_limits(const struct session *session, char *line)
{
	snprintf(line, LINE_SIZE, "LIMITS RCPTMAX=%u", policy_recipients(session->listener));
}

static bool wants_auth_equals(const struct session *session)
{
	return has(session, DEVICE_AUTH_EQUALS) && auth_is_offered(session);
}

static const struct {
	const char *word; /* NULL: `format` tells */
	format_fn *format;
	enum device_trait hidden_by;
	bool (*is_offered)(const struct session *session); /* NULL: always */
} offers[] = {
	{"PIPELINING", NULL, DEVICE_HIDE_PIPELINING},
	{NULL, format_size, DEVICE_HIDE_SIZE},
	{"STARTTLS", NULL, DEVICE_HIDE_STARTTLS, handshake_is_offered},
	{"8BITMIME", NULL, DEVICE_HIDE_8BITMIME},
	{"ENHANCEDSTATUSCODES", NULL, DEVICE_HIDE_CODES},
	{"CHUNKING", NULL, DEVICE_HIDE_CHUNKING},
	{"SMTPUTF8", NULL, DEVICE_HIDE_SMTPUTF8},
	{"AUTH PLAIN LOGIN", NULL, DEVICE_HIDE_AUTH, auth_is_offered},
	{"AUTH=PLAIN LOGIN", NULL, DEVICE_HIDE_AUTH, wants_auth_equals},
	{NULL, format_limits, DEVICE_HIDE_LIMITS},
};

void greeting_ehlo(struct session *session)
{
	char lines[LINES_MAX][LINE_SIZE];
	size_t count = 1;

	if (has(session, DEVICE_SINGLE_LINE_EHLO)) {
		greeting_helo(session);
		return;
	}
	snprintf(lines[0], LINE_SIZE, "%s greets %s", session->config->hostname, session->client);
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		if (has(session, offers[i].hidden_by) ||
			(offers[i].is_offered != NULL && !offers[i].is_offered(session)))
			continue;
		if (offers[i].format != NULL)
			offers[i].format(session, lines[count]);
		else
			snprintf(lines[count], LINE_SIZE, "%s", offers[i].word);
		count++;
	}
	for (size_t i = 0; i < count; i++)
		session_reply(session, "250%c%s", i + 1 < count ? '-' : ' ', lines[i]);
}
