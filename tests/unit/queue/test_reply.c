#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "queue/reply.h"

/*
 * The expectation, written from design.md's table and not from reply.c. One row a stage, one word a class in the order
 * positive, busy, transient, too many, auth needed, syntax, permanent, dropped, timed out. A word is
 *   host       - unchanged   R rests   C counted   S success
 *   message    - unchanged   f free   d deferred   x final   h held   u unknown   D done
 *   recipient  - unchanged   a accepted   d deferred   s split   x final
 *   ! an alarm   / the connection is closed   . neither; both are "*"
 */
static const char *const expected[STAGE_COUNT][REPLY_CLASS_COUNT] = {
	{"---.", "Rf-/", "Rf-/", "Rf-/", "Rf-*", "Rf-/", "Rf-/", "Rf-/", "Rf-/"}, /* connect */
	{"---.", "Rf-/", "Rf-/", "Rf-/", "Rf-*", "Rf-/", "Rf-/", "Rf-/", "Rf-/"}, /* banner */
	{"---.", "Rf-/", "Rf-/", "Rf-/", "Rf-*", "Rf-/", "Rf-/", "Rf-/", "Rf-/"}, /* EHLO */
	{"---.", "Rf-/", "Rf-*", "Rf-*", "Rf-*", "Rf-*", "Rf-*", "Rf-*", "Rf-*"}, /* TLS */
	{"---.", "Rf-/", "Rf-*", "Rf-*", "Rf-*", "Rf-*", "Rf-*", "Rf-*", "Rf-*"}, /* AUTH */
	{"---.", "-f-/", "Cd-.", "-f-/", "Rf-*", "-h-*", "-x-.", "-f-/", "-f-/"}, /* reuse */
	{"---.", "Rf-/", "Cd-.", "-f-/", "Rf-*", "-h-*", "-x-.", "Rf-/", "Rf-/"}, /* MAIL */
	{"--a.", "Rf-/", "--d.", "--s.", "Rf-*", "--x.", "--x.", "Rf-/", "Rf-/"}, /* RCPT */
	{"---.", "Rf-/", "Cd-.", "-f-/", "Rf-*", "-h-*", "-x-.", "Rf-/", "Rf-/"}, /* DATA */
	{"Rf-/", "Rf-/", "Cd-/", "-f-/", "Rf-*", "-h-*", "-x-/", "Rf-/", "Rf-/"}, /* text */
	{"SD-.", "Rf-/", "Cd-.", "-f-/", "Rf-*", "-h-*", "-x-.", "-u-/", "-u-/"}, /* dot */
};

static const char *spell(const struct reply_effect *effect, char *out)
{
	out[0] = "-RCS"[effect->host];
	out[1] = "-fdxhuD"[effect->message];
	out[2] = "-adsx"[effect->recipient];
	out[3] = ".!/*"[(effect->alarm ? 1 : 0) + (effect->close ? 2 : 0)];
	out[4] = '\0';
	return out;
}

static void every_cell_says_what_the_design_says(void **state)
{
	char word[5];

	(void)state;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		for (unsigned class = 0; class < REPLY_CLASS_COUNT; class ++) {
			print_message("%s, class %u\n", reply_stage_name(stage), class);
			assert_string_equal(
				spell(reply_effect(stage, class), word), expected[stage][class]);
		}
	}
}

static void only_a_positive_reply_to_the_dot_is_a_success(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		for (unsigned class = 0; class < REPLY_CLASS_COUNT; class ++) {
			const struct reply_effect *effect = reply_effect(stage, class);
			bool is_dot = stage == STAGE_DOT && class == REPLY_POSITIVE;

			assert_int_equal(effect->message == MESSAGE_DONE, is_dot);
			assert_int_equal(effect->host == HOST_SUCCESS, is_dot);
		}
	}
}

static void a_rested_host_never_costs_the_message_anything(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		for (unsigned class = 0; class < REPLY_CLASS_COUNT; class ++) {
			const struct reply_effect *effect = reply_effect(stage, class);

			if (effect->host == HOST_REST) {
				assert_int_equal(effect->message, MESSAGE_FREE);
				assert_true(effect->close);
			}
		}
	}
}

struct reading {
	enum reply_stage stage;
	int code;
	const char *text;
	unsigned accepted;
	enum reply_class class;
};

static const struct reading readings[] = {
	{STAGE_BANNER, 220, "ready", 0, REPLY_POSITIVE},
	{STAGE_BANNER, 421, "4.7.0 try again later", 0, REPLY_BUSY},
	{STAGE_BANNER, 554, "no", 0, REPLY_PERMANENT},
	{STAGE_EHLO, 421, "too many messages in this session", 0, REPLY_BUSY},
	{STAGE_AUTH, 535, "5.7.8 wrong", 0, REPLY_AUTH_NEEDED},
	{STAGE_AUTH, 454, "4.7.0", 0, REPLY_TRANSIENT},
	{STAGE_MAIL, 250, "ok", 0, REPLY_POSITIVE},
	{STAGE_MAIL, 530, "5.7.1 authenticate", 0, REPLY_AUTH_NEEDED},
	{STAGE_MAIL, 538, "encrypt", 0, REPLY_AUTH_NEEDED},
	{STAGE_MAIL, 500, "what", 0, REPLY_SYNTAX},
	{STAGE_MAIL, 504, "what", 0, REPLY_SYNTAX},
	{STAGE_MAIL, 505, "what", 0, REPLY_PERMANENT},
	{STAGE_MAIL, 599, "what", 0, REPLY_PERMANENT},
	{STAGE_MAIL, 421, "4.7.0 Too Many Messages in this session", 0, REPLY_TOO_MANY},
	{STAGE_MAIL, 452, "4.5.3 too many messages on this connection", 0, REPLY_TOO_MANY},
	{STAGE_MAIL, 452, "4.3.1 too many messages in the queue", 0, REPLY_TRANSIENT},
	{STAGE_MAIL, 421, NULL, 0, REPLY_BUSY},
	{STAGE_RCPT, 251, "will forward", 0, REPLY_POSITIVE},
	{STAGE_RCPT, 452, "4.5.3", 0, REPLY_TRANSIENT},
	{STAGE_RCPT, 452, "4.5.3", 1, REPLY_TOO_MANY},
	{STAGE_RCPT, 552, "5.5.3 too many recipients", 1, REPLY_TOO_MANY},
	{STAGE_RCPT, 552, "5.5.3 too many recipients", 0, REPLY_PERMANENT},
	{STAGE_RCPT, 552, "5.2.2 mailbox full", 1, REPLY_PERMANENT},
	{STAGE_RCPT, 450, "4.2.1", 3, REPLY_TRANSIENT},
	{STAGE_RCPT, 421, "bye", 3, REPLY_BUSY},
	{STAGE_DATA, 354, "go", 1, REPLY_POSITIVE},
	{STAGE_DATA, 250, "go", 1, REPLY_DROPPED},
	{STAGE_DOT, 250, "queued", 1, REPLY_POSITIVE},
	{STAGE_DOT, 354, "again", 1, REPLY_DROPPED},
	{STAGE_DOT, 199, "odd", 1, REPLY_DROPPED},
	{STAGE_DOT, 600, "odd", 1, REPLY_DROPPED},
	{STAGE_DOT, -1, "", 1, REPLY_DROPPED},
};

static void replies_are_read_by_stage_and_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
		const struct reading *r = &readings[i];

		print_message("%s: %d %s\n", reply_stage_name(r->stage), r->code,
			r->text == NULL ? "" : r->text);
		assert_int_equal(reply_classify(r->stage, r->code, r->text, r->accepted), r->class);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_says_what_the_design_says),
		cmocka_unit_test(only_a_positive_reply_to_the_dot_is_a_success),
		cmocka_unit_test(a_rested_host_never_costs_the_message_anything),
		cmocka_unit_test(replies_are_read_by_stage_and_code),
	};

	return cmocka_run_group_tests_name("queue/reply", tests, NULL, NULL);
}
