#include <errno.h>

#include "smtp/bounce.h"
#include "tests/unit/smtp/stage.h"

/* Runs one message to its refusal, and gives the bounce's text. */
struct refusal {
	struct stage_test test;
	struct job *job;
	struct envelope *envelope; /* the bounce's */
	char *text;
};

#define REFUSES                                                                                \
	HELLO "|<MAIL|<RCPT|<DATA|>250 ok|>550-5.1.1 No such \033[31muser\xc3\xa4|>550 5.1.1 " \
	      "here|>503 none|h"

static char *join(const struct text_piece *piece)
{
	struct bytes text = {0};

	for (; piece != NULL; piece = piece->next)
		assert_true(bytes_append(&text, piece->data, piece->size));
	assert_true(bytes_append(&text, "", 1));
	return (char *)text.data;
}

static void refuse(struct refusal *refusal, const struct stage_message *message)
{
	static const char *const scripts[] = {REFUSES, "x"};

	stage_open(&refusal->test, "", scripts, 2);
	hostile_start(&refusal->test.hostile);
	refusal->job = stage_deliver(&refusal->test, message);
	refusal->envelope = NULL;
	refusal->text = NULL;
	if (refusal->job->bounces == NULL)
		return;
	assert_null(refusal->job->bounces->next);
	refusal->envelope = refusal->job->bounces->envelope;
	refusal->text = join(refusal->job->bounces->pieces);
}

static void end(struct refusal *refusal)
{
	free(refusal->text);
	stage_close(&refusal->test);
}

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no <%s> in:\n%s", part, text);
}

/* ASCII, CRLF only, lines that SMTP takes. */
static void assert_is_mail(const char *text)
{
	size_t column = 0;

	for (const char *at = text; *at != '\0'; at++) {
		assert_true((unsigned char)*at < 127);
		if (*at == '\n') {
			assert_true(at > text && at[-1] == '\r');
			column = 0;
		} else {
			assert_true(++column <= 999);
			if (*at != '\t' && *at != '\r')
				assert_true(*at >= ' ');
		}
	}
	assert_int_equal(column, 0);
}

static void sender_is_told(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	refuse(&refusal, &message);
	assert_non_null(refusal.text);
	assert_is_mail(refusal.text);
	assert_has(refusal.text, "From: Mail Delivery System <MAILER-DAEMON@relay.test>\r\n");
	assert_has(refusal.text, "To: <from@example.org>\r\n");
	assert_has(refusal.text, "Auto-Submitted: auto-replied\r\n");
	assert_has(refusal.text, "\r\nMessage-ID: <");
	assert_has(refusal.text, "multipart/report; report-type=delivery-status;");
	assert_has(refusal.text, "Reporting-MTA: dns; relay.test\r\n");
	assert_has(refusal.text, "Final-Recipient: rfc822; to@example.edu\r\nAction: failed\r\n"
				 "Status: 5.1.1\r\nRemote-MTA: dns; 127.0.0.1\r\n"
				 "Diagnostic-Code: smtp; 550 5.1.1 No such ?[31muser?? here\r\n"
				 "Last-Attempt-Date: ");
	assert_has(refusal.text, "Check the address for a typing error");
	assert_has(refusal.text, "Subject: test\r\n");
	assert_null(strstr(refusal.text, "Hello"));
	end(&refusal);
}

static void bounce_is_a_message_of_our_own(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	refuse(&refusal, &message);
	assert_string_equal(refusal.envelope->reverse_path, "");
	assert_int_equal(refusal.envelope->flags & (ENVELOPE_LOCAL | ENVELOPE_BOUNCE),
		ENVELOPE_LOCAL | ENVELOPE_BOUNCE);
	assert_int_equal(refusal.envelope->flags & ENVELOPE_TO_POSTMASTER, 0);
	assert_int_equal(refusal.envelope->lane, LANE_ALERT);
	assert_int_equal(refusal.envelope->recipient_count, 1);
	assert_string_equal(refusal.envelope->recipients[0].address, "from@example.org");
	assert_int_equal(refusal.envelope->recipients[0].state, RECIPIENT_WAITING);
	assert_int_equal(refusal.envelope->recipients[0].verdict, VERDICT_SKIPPED);
	assert_int_equal(
		refusal.envelope->recipients[0].upstream, refusal.test.config->upstreams[0].number);
	assert_int_equal(refusal.envelope->size_bytes, strlen(refusal.text));
	assert_true(refusal.envelope->id > refusal.job->id);
	end(&refusal);
}

/* The message goes in and out of the store as any other. */
static void bounce_can_be_delivered(void **state)
{
	static const char *const scripts[] = {REFUSES, HELLO "|g"};
	struct stage_message message = stage_simple(), bounce = stage_simple();
	struct refusal refusal;
	struct job *job;

	(void)state;
	stage_open(&refusal.test, "", scripts, 2);
	hostile_start(&refusal.test.hostile);
	refusal.job = stage_deliver(&refusal.test, &message);
	refusal.text = join(refusal.job->bounces->pieces);
	bounce.from = "";
	bounce.text = refusal.text;
	bounce.flags = refusal.job->bounces->envelope->flags;
	hostile_visits(&refusal.test.hostile);
	job = stage_job(&refusal.test, stage_put(&refusal.test, &bounce));
	job->host_key = 2; /* a connection of its own */
	stage_push(&refusal.test, job);
	stage_await(&refusal.test, 2);
	assert_int_equal(job->class, REPLY_POSITIVE);
	hostile_stop(&refusal.test.hostile);
	assert_string_equal((char *)refusal.test.hostile.texts.data, refusal.text);
	assert_has((char *)refusal.test.hostile.lines.data, "MAIL FROM:<>");
	end(&refusal);
}

static void null_sender_goes_to_postmaster(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.from = "";
	refuse(&refusal, &message);
	assert_string_equal(refusal.envelope->recipients[0].address, "postmaster@relay.test");
	assert_true(refusal.envelope->flags & ENVELOPE_TO_POSTMASTER);
	assert_has(refusal.text, "To: <postmaster@relay.test>\r\n");
	assert_has(refusal.text, "the message names no sender who could be told.\r\n");
	assert_is_mail(refusal.text);
	end(&refusal);
}

static void failed_bounce_goes_to_postmaster(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.flags = ENVELOPE_LOCAL | ENVELOPE_BOUNCE;
	refuse(&refusal, &message);
	assert_string_equal(refusal.envelope->recipients[0].address, "postmaster@relay.test");
	assert_has(refusal.text, "the message was itself a report of undelivered mail,");
	end(&refusal);
}

static void failed_notice_to_postmaster_is_not_bounced(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.from = "";
	message.flags = ENVELOPE_LOCAL | ENVELOPE_BOUNCE | ENVELOPE_TO_POSTMASTER;
	refuse(&refusal, &message);
	assert_null(refusal.job->bounces);
	assert_int_equal(refusal.job->recipients[0].effect, RECIPIENT_FAIL);
	end(&refusal);
}

static void foreign_header_bytes_are_quoted(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.text = "Subject: gr\xc3\xbc\xc3\x9f=\r\nX: \x01 \r\n\r\nBody\r\n";
	refuse(&refusal, &message);
	assert_is_mail(refusal.text);
	assert_has(refusal.text, "Content-Transfer-Encoding: quoted-printable\r\n");
	assert_has(refusal.text, "Subject: gr=C3=BC=C3=9F=3D\r\nX: =01=20\r\n");
	end(&refusal);
}

static void endless_headers_are_cut_at_a_line(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;
	size_t lines = 20000;
	char *text = malloc(lines * 12 + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		snprintf(text + i * 12, 13, "X-A: %05zu\r\n", i);
	message.text = text;
	refuse(&refusal, &message);
	assert_is_mail(refusal.text);
	assert_true(strlen(refusal.text) < BOUNCE_HEADERS_MAX + 4096);
	assert_has(refusal.text, "X-A: 05460\r\n");
	assert_has(refusal.text, "\r\n\r\n--sluice-");
	end(&refusal);
	free(text);
}

static void text_without_headers_or_body_is_reported(void **state)
{
	static const char *const texts[] = {"\r\nbody\r\n", "Subject: only\r\n", "x"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stage_message message = stage_simple();
		struct refusal refusal;

		message.text = texts[i];
		refuse(&refusal, &message);
		assert_non_null(refusal.text);
		assert_is_mail(refusal.text);
		assert_null(strstr(refusal.text, "body"));
		end(&refusal);
	}
}

/* The store's damage is not the sender's: nobody is told as failed, and the job says why it is held. */
static void damaged_text_is_held_and_not_bounced(void **state)
{
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.text = "Subject: only\r\n";
	message.damaged = true;
	refuse(&refusal, &message);
	assert_null(refusal.text);
	assert_int_equal(refusal.job->read_error, -EBADMSG);
	assert_int_equal(refusal.job->recipients[0].effect, RECIPIENT_UNCHANGED);
	end(&refusal);
}

/* ---- the text alone ---- */

static char *format_for(const struct bounce *bounce)
{
	struct bytes out = {0};

	assert_true(bounce_format(bounce, 77, "a@b.test", "Subject: x\r\n", 12, &out));
	assert_true(bytes_append(&out, "", 1));
	return (char *)out.data;
}

static void expired_says_the_last_word(void **state)
{
	struct config config = {.hostname = "relay.test", .postmaster = "p@relay.test"};
	struct envelope *envelope = envelope_new(3);
	struct bounce_recipient recipients[] = {
		{"one@x.test", "4.4.7", "421 4.7.0 busy"}, {"two@x.test", "4.4.7", ""}};
	struct bounce bounce = {.config = &config,
		.envelope = envelope,
		.recipients = recipients,
		.recipient_count = 2,
		.expired = true,
		.now_unix_ms = 1795341600000};
	char *text;

	(void)state;
	assert_non_null(envelope);
	envelope->reverse_path = "a@b.test";
	envelope->received_unix_ms = 1795341600000 - 5u * 86400000;
	text = format_for(&bounce);
	assert_is_mail(text);
	assert_has(text, "Date: Sun, 22 Nov 2026 10:00:00 +0000");
	assert_has(text, "Arrival-Date: Tue, 17 Nov 2026 10:00:00 +0000");
	assert_has(text,
		"Final-Recipient: rfc822; one@x.test\r\nAction: failed\r\nStatus: 4.4.7\r\n"
		"Diagnostic-Code: smtp; 421 4.7.0 busy\r\n");
	assert_has(text,
		"Final-Recipient: rfc822; two@x.test\r\nAction: failed\r\nStatus: 4.4.7\r\n\r\n");
	assert_null(strstr(text, "Last-Attempt-Date")); /* the end of a lifetime is none */
	assert_has(text, "The delivery time expired.");
	assert_has(text, "only about the receivers named below");
	assert_null(strstr(text, "Remote-MTA"));
	free(text);
	envelope_close(&envelope);
}

#define JOE       "j\xc3\xb6\x65+x@example.org"
#define JOE_ASCII "j\\x{F6}e\\x{2B}x@example.org"

/* RFC 6533: the report is ASCII all the same. */
static void internationalised_addresses_are_told_in_ascii(void **state)
{
	static const char *const to[] = {JOE};
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.to = to;
	message.from = JOE;
	refuse(&refusal, &message);
	assert_non_null(refusal.text);
	assert_is_mail(refusal.text);
	assert_has(refusal.text, "\r\nTo: undisclosed-recipients:;\r\n");
	assert_has(refusal.text, "from <" JOE_ASCII ">\r\n");
	assert_has(refusal.text, "Not delivered to <" JOE_ASCII ">:\r\n");
	assert_has(refusal.text, "Final-Recipient: utf-8; " JOE_ASCII "\r\n");
	assert_has(refusal.text, "Status: 5.6.7\r\n");
	assert_has(refusal.text, "Diagnostic-Code: X-Sluice; ");
	assert_string_equal(refusal.envelope->recipients[0].address, JOE);
	end(&refusal);
}

static void header_of_utf8_is_quoted_as_one(void **state)
{
	static const char *const to[] = {JOE};
	struct stage_message message = stage_simple();
	struct refusal refusal;

	(void)state;
	message.to = to;
	message.text = "To: <" JOE ">\r\n\r\nx\r\n";
	refuse(&refusal, &message);
	assert_is_mail(refusal.text);
	assert_has(refusal.text, "Content-Type: message/global-headers\r\n");
	assert_has(refusal.text, "To: <j=C3=B6e+x@example.org>\r\n");
	end(&refusal);
	message.text = "Subject: \xf6\r\n\r\nx\r\n";
	refuse(&refusal, &message);
	assert_has(refusal.text, "Content-Type: text/rfc822-headers\r\n");
	assert_has(refusal.text, "Subject: =F6\r\n");
	end(&refusal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sender_is_told),
		cmocka_unit_test(bounce_is_a_message_of_our_own),
		cmocka_unit_test(bounce_can_be_delivered),
		cmocka_unit_test(null_sender_goes_to_postmaster),
		cmocka_unit_test(failed_bounce_goes_to_postmaster),
		cmocka_unit_test(failed_notice_to_postmaster_is_not_bounced),
		cmocka_unit_test(foreign_header_bytes_are_quoted),
		cmocka_unit_test(endless_headers_are_cut_at_a_line),
		cmocka_unit_test(text_without_headers_or_body_is_reported),
		cmocka_unit_test(damaged_text_is_held_and_not_bounced),
		cmocka_unit_test(expired_says_the_last_word),
		cmocka_unit_test(internationalised_addresses_are_told_in_ascii),
		cmocka_unit_test(header_of_utf8_is_quoted_as_one),
	};

	return cmocka_run_group_tests_name("smtp/bounce", tests, NULL, NULL);
}
