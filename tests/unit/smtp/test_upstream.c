#include "tests/unit/smtp/stage.h"

#define ENVELOPE "<MAIL|<RCPT|<DATA|"
#define TAKEN    ENVELOPE ">250 ok|>250 ok|>354 go|~|>250 ok|h"
#define STARTTLS ">220 hi|<EHLO|>250-x|>250-STARTTLS|>250 SIZE 1|<STARTTLS|>220 go|t|"

/* ---- with a certificate made for this run ---- */

static void run_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run_command(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* For 127.0.0.1; trusted only by who is told to. */
static void make_certificate(char *folder)
{
	strcpy(folder, "/tmp/sluice-cert-XXXXXX");
	assert_non_null(mkdtemp(folder));
	run_command("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
		    "-keyout %s/key.pem -out %s/cert.pem -days 2 -subj /CN=upstream.test "
		    "-addext subjectAltName=IP:127.0.0.1 2>/dev/null",
		folder, folder);
	run_command("printf 'secret\\n' > %s/password && chmod 600 %s/password", folder, folder);
}

static char certificates[64];

static int setup(void **state)
{
	(void)state;
	make_certificate(certificates);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	run_command("rm -rf %s", certificates);
	return 0;
}

static void give_certificate(struct hostile *hostile)
{
	char path[128];

	hostile->tls = SSL_CTX_new(TLS_server_method());
	assert_non_null(hostile->tls);
	snprintf(path, sizeof(path), "%s/cert.pem", certificates);
	assert_int_equal(SSL_CTX_use_certificate_file(hostile->tls, path, SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof(path), "%s/key.pem", certificates);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(hostile->tls, path, SSL_FILETYPE_PEM), 1);
}

/* Each "@" in the options is the certificates' folder. */
static void open_with(
	struct stage_test *test, const char *options, const char *const *scripts, size_t count)
{
	char filled[512] = "";

	for (; *options != '\0'; options++) {
		size_t size = strlen(filled);

		if (*options == '@')
			snprintf(filled + size, sizeof(filled) - size, "%s", certificates);
		else
			snprintf(filled + size, sizeof(filled) - size, "%c", *options);
	}
	stage_open(test, filled, scripts, count);
	give_certificate(&test->hostile);
	hostile_start(&test->hostile);
}

static void check(const char *options, const char *first, const char *then, enum reply_stage stage,
	enum reply_class class, unsigned visits)
{
	const char *const scripts[] = {first, then};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	open_with(&test, options, scripts, 2);
	job = stage_deliver(&test, &message);
	if (job->stage != stage || job->class != class)
		fail_msg("%s: stage %s class %d reply %s", options, reply_stage_name(job->stage),
			(int)job->class, job->reply);
	assert_int_equal(hostile_visits(&test.hostile), visits);
	assert_null(job->bounces);
	hostile_stop(&test.hostile);
	assert_string_equal(test.hostile.wrong, "");
	stage_close(&test);
}

#define REQUIRED      " tls = required\n ca_file = \"@/cert.pem\""
#define IMPLICIT      " tls = implicit\n ca_file = \"@/cert.pem\""
#define OPPORTUNISTIC " tls = opportunistic"

static void required_tls_is_verified(void **state)
{
	(void)state;
	check(REQUIRED, STARTTLS "<EHLO|" OFFER "|" TAKEN, "x", STAGE_DOT, REPLY_POSITIVE, 1);
	/* Nobody has told us to trust it. */
	check(" tls = required", STARTTLS "h", "x", STAGE_TLS, REPLY_DROPPED, 1);
}

static void implicit_tls_is_verified(void **state)
{
	(void)state;
	check(IMPLICIT, "t|" HELLO "|" TAKEN, "x", STAGE_DOT, REPLY_POSITIVE, 1);
	check(" tls = implicit", "t|" HELLO "|" TAKEN, "x", STAGE_TLS, REPLY_DROPPED, 1);
	check(IMPLICIT, "h", "x", STAGE_TLS, REPLY_TIMED_OUT, 1);
	check(IMPLICIT, "t|>421 4.7.0 busy", "x", STAGE_BANNER, REPLY_BUSY, 1);
}

static void required_tls_that_is_missing_or_fails_is_told(void **state)
{
	(void)state;
	check(REQUIRED, HELLO "|h", "x", STAGE_TLS, REPLY_DROPPED, 1);
	check(REQUIRED, ">220 hi|<EHLO|>250-x|>250 STARTTLS|<STARTTLS|>454 4.7.0 no|h", "x",
		STAGE_TLS, REPLY_TRANSIENT, 1);
	check(REQUIRED, ">220 hi|<EHLO|>250-x|>250 STARTTLS|<STARTTLS|>421 4.7.0 busy", "x",
		STAGE_TLS, REPLY_BUSY, 1);
	check(REQUIRED, ">220 hi|<EHLO|>250-x|>250 STARTTLS|<STARTTLS|>220 go|=rubbish\r\n|h", "x",
		STAGE_TLS, REPLY_DROPPED, 1);
	check(REQUIRED, ">220 hi|<EHLO|>250-x|>250 STARTTLS|<STARTTLS|>220 go|h", "x", STAGE_TLS,
		REPLY_TIMED_OUT, 1);
	check(REQUIRED, STARTTLS "<EHLO|>421 4.7.0 busy", "x", STAGE_EHLO, REPLY_BUSY, 1);
}

static void opportunistic_tls_takes_any_certificate(void **state)
{
	(void)state;
	check(OPPORTUNISTIC, STARTTLS "<EHLO|" OFFER "|" TAKEN, "x", STAGE_DOT, REPLY_POSITIVE, 1);
	check(OPPORTUNISTIC, HELLO "|" TAKEN, "x", STAGE_DOT, REPLY_POSITIVE, 1);
}

/* The second connection says no STARTTLS, though it is offered. */
static void opportunistic_tls_that_fails_goes_on_in_clear(void **state)
{
	(void)state;
	check(OPPORTUNISTIC, ">220 hi|<EHLO|>250-x|>250 STARTTLS|<STARTTLS|>220 go|x",
		">220 hi|<EHLO|>250-x|>250-PIPELINING|>250 STARTTLS|" TAKEN, STAGE_DOT,
		REPLY_POSITIVE, 2);
	check(OPPORTUNISTIC,
		">220 hi|<EHLO|>250-x|>250-PIPELINING|>250 STARTTLS|<STARTTLS|>454 no|" TAKEN, "x",
		STAGE_DOT, REPLY_POSITIVE, 1);
}

/* SIZE 1, said before STARTTLS, no longer counts. */
static void only_the_second_ehlo_counts(void **state)
{
	static const char *const scripts[] = {STARTTLS "<EHLO|>250-x|>250 PIPELINING|" TAKEN, "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	open_with(&test, REQUIRED, scripts, 2);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->class, REPLY_POSITIVE);
	hostile_stop(&test.hostile);
	assert_null(strstr((char *)test.hostile.lines.data, "SIZE="));
	stage_close(&test);
}

/* Larger than a record and than the sockets hold, so that sends block and are repeated. */
static void large_text_goes_over_tls(void **state)
{
	static const char *const scripts[] = {STARTTLS "<EHLO|>250-x|>250 PIPELINING|" TAKEN, "x"};
	struct stage_message message = stage_simple();
	size_t size = 8u << 20;
	char *text = malloc(size + 1);
	struct stage_test test;
	struct job *job;

	(void)state;
	assert_non_null(text);
	for (size_t at = 0; at < size; at += 64)
		snprintf(text + at, 65, "%062zu\r\n", at);
	message.text = text;
	message.text_size = size;
	open_with(&test, REQUIRED, scripts, 2);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->class, REPLY_POSITIVE);
	hostile_stop(&test.hostile);
	assert_int_equal(test.hostile.texts.size, size + 1);
	assert_memory_equal(test.hostile.texts.data, text, size);
	stage_close(&test);
	free(text);
}

static void lost_dot_over_tls_is_unknown(void **state)
{
	(void)state;
	check(REQUIRED, STARTTLS "<EHLO|" OFFER "|" ENVELOPE ">250 ok|>250 ok|>354 go|~|x", "x",
		STAGE_DOT, REPLY_DROPPED, 1);
	check(REQUIRED, STARTTLS "<EHLO|" OFFER "|" ENVELOPE ">250 ok|>250 ok|>354 go|~|r", "x",
		STAGE_DOT, REPLY_DROPPED, 1);
}

/* ---- AUTH ---- */

#define ACCOUNT                                                        \
	" tls = off\n user = relay\n password_file = \"@/password\"\n" \
	" auth_in_clear = yes"
#define ASKS(mechanisms) ">220 hi|<EHLO|>250-x|>250-PIPELINING|>250 AUTH " mechanisms "|"

static void auth_goes_before_the_mail(void **state)
{
	(void)state;
	check(ACCOUNT, ASKS("PLAIN") "<AUTH PLAIN|>334 |<AHJlbGF5AHNlY3JldA==|>235 ok|" TAKEN, "x",
		STAGE_DOT, REPLY_POSITIVE, 1);
	check(ACCOUNT,
		ASKS("LOGIN") "<AUTH LOGIN|>334 VXNlcm5hbWU6|<cmVsYXk=|>334 UGFzc3dvcmQ6|<c2VjcmV0|"
			      ">235 ok|" TAKEN,
		"x", STAGE_DOT, REPLY_POSITIVE, 1);
}

static void auth_that_fails_is_told(void **state)
{
	(void)state;
	check(ACCOUNT, ASKS("PLAIN") "<AUTH PLAIN|>334 |<AHJlbGF5AHNlY3JldA==|>535 5.7.8 no|h", "x",
		STAGE_AUTH, REPLY_AUTH_NEEDED, 1);
	check(ACCOUNT, ASKS("PLAIN") "<AUTH PLAIN|>421 4.7.0 busy", "x", STAGE_AUTH, REPLY_BUSY, 1);
	check(ACCOUNT, ASKS("PLAIN") "<AUTH PLAIN|x", "x", STAGE_AUTH, REPLY_DROPPED, 1);
	check(ACCOUNT, ASKS("PLAIN") "<AUTH PLAIN|h", "x", STAGE_AUTH, REPLY_TIMED_OUT, 1);
}

static void account_is_never_left_out(void **state)
{
	(void)state;
	/* Without AUTH upstream would refuse the mail for good. */
	check(ACCOUNT, HELLO "|h", "x", STAGE_AUTH, REPLY_AUTH_NEEDED, 1);
}

/* libcurl drops what comes behind EHLO's answer; the message is free, whether the end is seen before MAIL or after. */
static void server_that_goes_after_ehlo_costs_nothing(void **state)
{
	static const char *const scripts[] = {
		">220 hi|<EHLO|=250-x\r\n250 SIZE\r\n421 4.3.2 going down\r\n|x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	open_with(&test, "", scripts, 1);
	job = stage_deliver(&test, &message);
	assert_int_equal(reply_effect(job->stage, job->class)->message, MESSAGE_FREE);
	assert_int_equal(reply_effect(job->stage, job->class)->host, HOST_REST);
	stage_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(required_tls_is_verified),
		cmocka_unit_test(implicit_tls_is_verified),
		cmocka_unit_test(required_tls_that_is_missing_or_fails_is_told),
		cmocka_unit_test(opportunistic_tls_takes_any_certificate),
		cmocka_unit_test(opportunistic_tls_that_fails_goes_on_in_clear),
		cmocka_unit_test(only_the_second_ehlo_counts),
		cmocka_unit_test(large_text_goes_over_tls),
		cmocka_unit_test(lost_dot_over_tls_is_unknown),
		cmocka_unit_test(auth_goes_before_the_mail),
		cmocka_unit_test(auth_that_fails_is_told),
		cmocka_unit_test(account_is_never_left_out),
		cmocka_unit_test(server_that_goes_after_ehlo_costs_nothing),
	};

	return cmocka_run_group_tests_name("smtp/upstream", tests, setup, teardown);
}
