/* test_grant_keeper.c: owners are told once for an expiry, in the commit that notes it; the week's summary; whose held mail goes on. */
#include <stdlib.h>
#include <time.h>

#include "queue/grant_notice.h"
#include "smtp/grant_keeper.h"
#include "tests/unit/queue/rig.h"

#define DAY       RIG_DAY
#define CLOSENESS (10 * 60 * 1000) /* what the time needs to be proven */

struct desk {
	struct rig rig;
	struct mailbox *answers;
	struct id_source *ids;
	struct grant_keeper *keeper;
};

static void open_keeper(struct desk *desk)
{
	const struct grant_keeper_options options = {.store = desk->rig.store,
		.writer = desk->rig.writer,
		.scheduler = desk->rig.inbox,
		.ids = desk->ids,
		.clock = &desk->rig.turned.clock,
		.inbox = desk->answers,
		.config = desk->rig.config};
	struct reason reason;

	assert_int_equal(grant_keeper_open(&desk->keeper, &options, &reason), 0);
}

static void open_desk(struct desk *desk, const char *summary)
{
	char more[256];

	snprintf(more, sizeof(more), RIG_ONE_HOST "grants { summary = \"%s\" }\n", summary);
	rig_open(&desk->rig, more);
	desk->answers = mailbox_open(8);
	desk->ids = id_source_open(&desk->rig.turned.clock, 1000);
	open_keeper(desk);
}

static void close_desk(struct desk *desk)
{
	grant_keeper_close(&desk->keeper);
	id_source_close(&desk->ids);
	rig_close(&desk->rig);
	mailbox_close(&desk->answers);
}

/* As long as it has something to do; the scheduler is left alone, so that what was written stays. */
static void turn(struct desk *desk)
{
	struct letter *letter;

	for (int idle = 0; idle < 3; idle++) {
		if (grant_keeper_step(desk->keeper) < KEEPER_REST_MS / 2)
			idle = 0;
		while (writer_step(desk->rig.writer) > 0)
			idle = 0;
		while ((letter = mailbox_pop(desk->answers)) != NULL)
			letter->read(letter, NULL);
	}
}

static void live(struct desk *desk, int64_t ms, int64_t step_ms)
{
	for (; ms > 0; ms -= step_ms) {
		clock_turned_advance(&desk->rig.turned, step_ms);
		turn(desk);
	}
}

static void put_grant(
	struct desk *desk, const char *name, const char *owner, uint64_t expires_unix_ms)
{
	struct grant *grant = grant_new(name);
	struct bytes record = {0};
	struct store_batch *batch;
	const struct registry_change *refused;
	uint64_t number;

	assert_non_null(grant);
	grant->state = GRANT_APPROVED;
	grant->expires_unix_ms = expires_unix_ms;
	grant->approved_unix_ms = RIG_START;
	assert_true(grant_set_text(&grant->owner, owner));
	assert_true(grant_add_text(&grant->networks, "10.1.2.3"));
	assert_true(grant_encode(grant, &record));
	struct registry_change change = {.kind = REGISTRY_GRANT,
		.name = name,
		.record = record.data,
		.size = record.size,
		.now_unix_ms = RIG_START,
		.who = "root",
		.act = "add",
		.why = ""};
	assert_int_equal(store_begin(desk->rig.store, &batch), 0);
	assert_int_equal(store_register(batch, &change, &number, &refused), 0);
	assert_int_equal(store_commit(&batch), 0);
	bytes_fini(&record);
	grant_close(&grant);
}

static uint32_t told(struct desk *desk, const char *name)
{
	struct registry_item item;
	struct grant *grant;
	uint32_t bits;

	assert_int_equal(store_view_registered(desk->rig.view, REGISTRY_GRANT, name, &item), 0);
	assert_int_equal(grant_decode(item.name, item.revision, item.record, item.size, &grant), 0);
	bits = grant->told;
	registry_item_fini(&item);
	grant_close(&grant);
	return bits;
}

/* ---- owners ---- */

static void each_notice_is_told_once(void **state)
{
	static const int64_t days[] = {30, 7, 1, 0, -14};
	struct desk desk;

	(void)state;
	open_desk(&desk, "off");
	put_grant(&desk, "lab", "o@example.edu", RIG_START + (uint64_t)(40 * DAY));
	live(&desk, DAY, CLOSENESS);
	assert_int_equal(rig_left(&desk.rig), 0);
	for (size_t i = 0; i < 5; i++) {
		int64_t until = (40 - days[i]) * DAY -
				(int64_t)(clock_unix_ms(&desk.rig.turned.clock) - RIG_START);

		live(&desk, until - CLOSENESS, until - CLOSENESS);
		assert_int_equal(rig_left(&desk.rig), i);
		live(&desk, 6 * CLOSENESS, CLOSENESS / 2);
		assert_int_equal(rig_left(&desk.rig), i + 1);
		grant_keeper_close(&desk.keeper);
		open_keeper(&desk);
		live(&desk, 3 * CLOSENESS, CLOSENESS);
		assert_int_equal(rig_left(&desk.rig), i + 1);
	}
	close_desk(&desk);
}

static void of_several_the_latest_is_told(void **state)
{
	struct desk desk;

	(void)state;
	open_desk(&desk, "off");
	put_grant(&desk, "lab", "o@example.edu", RIG_START + (uint64_t)(DAY / 2));
	live(&desk, 3 * CLOSENESS, CLOSENESS / 2);
	assert_int_equal(rig_left(&desk.rig), 1);
	assert_int_equal(
		told(&desk, "lab"), GRANT_TOLD_30_DAYS | GRANT_TOLD_7_DAYS | GRANT_TOLD_1_DAY);
	close_desk(&desk);
}

/* The request was never done: neither the mail nor the note is there, and both come after the next start. */
static void power_cut_loses_neither_mail_nor_note(void **state)
{
	struct desk desk;
	struct letter *letter;

	(void)state;
	open_desk(&desk, "off");
	put_grant(&desk, "lab", "o@example.edu", RIG_START + (uint64_t)(5 * DAY));
	put_grant(&desk, "zoo", "", RIG_START + (uint64_t)(5 * DAY));
	for (int i = 0; i < 100; i++) {
		clock_turned_advance(&desk.rig.turned, CLOSENESS / 4);
		(void)grant_keeper_step(desk.keeper);
	}
	assert_int_equal(rig_left(&desk.rig), 0);
	assert_int_equal(told(&desk, "lab"), 0);
	while (writer_step(desk.rig.writer) > 0)
		;
	/* durable, and its answer is lost */
	assert_int_equal(rig_left(&desk.rig), 2);
	assert_int_equal(told(&desk, "lab"), GRANT_TOLD_30_DAYS | GRANT_TOLD_7_DAYS);
	assert_int_equal(told(&desk, "zoo"), GRANT_TOLD_30_DAYS | GRANT_TOLD_7_DAYS);
	while ((letter = mailbox_pop(desk.answers)) != NULL)
		;
	grant_keeper_close(&desk.keeper);
	open_keeper(&desk);
	live(&desk, 4 * CLOSENESS, CLOSENESS);
	assert_int_equal(rig_left(&desk.rig), 2);
	close_desk(&desk);
}

static void many_of_one_owner_are_few_mails(void **state)
{
	struct desk desk;
	char name[32];

	(void)state;
	open_desk(&desk, "off");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "g%03d", i);
		put_grant(&desk, name, "o@example.edu", RIG_START + (uint64_t)(5 * DAY));
	}
	live(&desk, 4 * CLOSENESS, CLOSENESS);
	assert_in_range(rig_left(&desk.rig), 1, 5);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "g%03d", i);
		assert_int_equal(told(&desk, name), GRANT_TOLD_30_DAYS | GRANT_TOLD_7_DAYS);
	}
	close_desk(&desk);
}

/* A clock that is a year ahead for a moment tells nobody anything. */
static void jump_of_the_clock_tells_nobody(void **state)
{
	struct desk desk;

	(void)state;
	open_desk(&desk, "off");
	put_grant(&desk, "lab", "o@example.edu", RIG_START + (uint64_t)(100 * DAY));
	live(&desk, 4 * CLOSENESS, CLOSENESS);
	desk.rig.turned.unix_us_now += UINT64_C(365) * 86400 * 1000000;
	live(&desk, CLOSENESS / 2, CLOSENESS / 10);
	desk.rig.turned.unix_us_now -= UINT64_C(365) * 86400 * 1000000;
	live(&desk, 4 * CLOSENESS, CLOSENESS);
	assert_int_equal(rig_left(&desk.rig), 0);
	assert_int_equal(told(&desk, "lab"), 0);
	close_desk(&desk);
}

/* ---- the summary ---- */

static void summary_comes_once_a_week_and_is_caught_up_once(void **state)
{
	struct desk desk;

	(void)state;
	open_desk(&desk, "Mon 08:00");
	put_grant(&desk, "lab", "", RIG_START + (uint64_t)(300 * DAY));
	live(&desk, DAY / 24, CLOSENESS);
	assert_int_equal(rig_left(&desk.rig), 0); /* the first start: the week begins */
	live(&desk, 7 * DAY, DAY / 24);
	assert_int_equal(rig_left(&desk.rig), 1);
	live(&desk, 7 * DAY, DAY / 24);
	assert_int_equal(rig_left(&desk.rig), 2);
	grant_keeper_close(&desk.keeper);
	clock_turned_advance(&desk.rig.turned, 21 * DAY);
	open_keeper(&desk);
	turn(&desk);
	assert_int_equal(rig_left(&desk.rig), 3);
	turn(&desk);
	assert_int_equal(rig_left(&desk.rig), 3);
	close_desk(&desk);
}

static void nothing_to_tell_is_no_mail(void **state)
{
	struct desk desk;

	(void)state;
	open_desk(&desk, "Mon 08:00");
	put_grant(&desk, "lab", "o@example.edu", RIG_START + (uint64_t)(300 * DAY));
	live(&desk, 15 * DAY, DAY / 24);
	assert_int_equal(rig_left(&desk.rig), 0);
	close_desk(&desk);
}

/* ---- the week ---- */

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static uint64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = {.tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute};

	return (uint64_t)timegm(&tm) * 1000;
}

/* Central Europe, 2026: summer time from March 29 to October 25. */
static void week_follows_the_local_clock(void **state)
{
	const int monday_8 = 8 * 60, sunday_230 = 6 * 1440 + 150;

	(void)state;
	use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_int_equal(
		week_minute_before(monday_8, utc(2026, 3, 30, 6, 0)), utc(2026, 3, 30, 6, 0));
	assert_int_equal(
		week_minute_before(monday_8, utc(2026, 3, 30, 5, 59)), utc(2026, 3, 23, 7, 0));
	assert_int_equal(
		week_minute_before(monday_8, utc(2026, 10, 26, 7, 0)), utc(2026, 10, 26, 7, 0));
	assert_int_equal(
		week_minute_before(monday_8, utc(2026, 10, 26, 6, 59)), utc(2026, 10, 19, 6, 0));
	/* left out, and twice: one moment each, whoever asks and when */
	for (int hour = 2; hour < 24; hour++) {
		assert_int_equal(week_minute_before(sunday_230, utc(2026, 3, 29, hour, 0)),
			utc(2026, 3, 29, 1, 30));
		assert_int_equal(week_minute_before(sunday_230, utc(2026, 10, 25, hour, 0)),
			utc(2026, 10, 25, 0, 30));
	}
	use_zone("UTC0");
	assert_int_equal(
		week_minute_before(monday_8, utc(2026, 11, 23, 7, 59)), utc(2026, 11, 16, 8, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_notice_is_told_once),
		cmocka_unit_test(of_several_the_latest_is_told),
		cmocka_unit_test(power_cut_loses_neither_mail_nor_note),
		cmocka_unit_test(many_of_one_owner_are_few_mails),
		cmocka_unit_test(jump_of_the_clock_tells_nobody),
		cmocka_unit_test(summary_comes_once_a_week_and_is_caught_up_once),
		cmocka_unit_test(nothing_to_tell_is_no_mail),
		cmocka_unit_test(week_follows_the_local_clock),
	};

	use_zone("UTC0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
