#include "tests/unit/queue/scene.h"

#include "scan/chain.h"
#include "scan/rules.h"
#include "tests/unit/scan/mail.h"

/* A hook that notes what it sees and does as it is told. One at a time. */
static struct {
	struct bytes seen;
	unsigned begun, fed, finished;
	int begin_rc, feed_rc, finish_rc;
	struct finding finding;
	bool no_memory;
} told;

static void *told_open(void)
{
	return told.no_memory ? NULL : &told;
}

static void told_close(void *state)
{
	assert_ptr_equal(state, &told);
}

static int told_begin(void *state)
{
	(void)state;
	told.begun++;
	bytes_clear(&told.seen);
	return told.begin_rc;
}

static int told_feed(void *state, const uint8_t *bytes, size_t size)
{
	(void)state;
	told.fed++;
	assert_true(bytes_append(&told.seen, bytes, size));
	return told.feed_rc;
}

static int told_finish(void *state, struct finding *finding)
{
	(void)state;
	told.finished++;
	*finding = told.finding;
	return told.finish_rc;
}

static const struct hook told_hook = {
	"told", told_open, told_close, told_begin, told_feed, told_finish};

static struct scene scene;
static struct chain *chain;

static int setup(void **state)
{
	static const struct hook *const hooks[] = {&told_hook, &rules_hook, NULL};

	(void)state;
	memset(&told, 0, sizeof(told));
	told.finding.verdict = VERDICT_CLEAN;
	scene_open(&scene, 16u << 20);
	chain = chain_open(hooks);
	assert_non_null(chain);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	chain_close(&chain);
	assert_null(chain);
	scene_close(&scene);
	bytes_fini(&told.seen);
	return 0;
}

static int run(uint64_t id, struct finding *finding)
{
	struct envelope *envelope = scene_get(&scene, id);
	int rc;

	assert_non_null(envelope);
	rc = chain_run(chain, scene.view, envelope, finding);
	envelope_close(&envelope);
	return rc;
}

static void hooks_see_the_whole_text_in_order(void **state)
{
	static const size_t sizes[] = {
		0, 1, 4096, STORE_PIECE_BYTES, STORE_PIECE_BYTES + 1, 3 * STORE_PIECE_BYTES + 99};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct finding finding;

		assert_int_equal(scene_add(&scene, 100 + i, sizes[i]), 0);
		assert_int_equal(run(100 + i, &finding), 0);
		assert_int_equal(finding.verdict, VERDICT_CLEAN);
		assert_string_equal(finding.threat, "");
		assert_int_equal(told.seen.size, sizes[i]);
		for (size_t at = 0; at < sizes[i]; at++)
			if (told.seen.data[at] != scene_byte(100 + i, at))
				fail_msg("byte %zu of %zu", at, sizes[i]);
		assert_int_equal(told.begun, i + 1);
		assert_int_equal(told.finished, i + 1);
	}
}

static void virus_across_two_pieces_is_found(void **state)
{
	struct bytes text = {0};
	struct finding finding;

	(void)state;
	for (size_t before = 0; before <= VIRUS_SIZE; before += 17) {
		uint64_t id = 100 + before;

		bytes_clear(&text);
		for (size_t i = 0; i < STORE_PIECE_BYTES - before; i++)
			assert_true(bytes_append(&text, "\n", 1));
		assert_true(bytes_append_text(&text, virus_text()));
		mail_add(&scene, id, text.data, text.size);
		assert_int_equal(run(id, &finding), 0);
		assert_int_equal(finding.verdict, VERDICT_VIRUS);
		assert_string_equal(finding.threat, RULES_EICAR);
		assert_string_equal(finding.hook, "rules");
	}
	bytes_fini(&text);
}

static void first_virus_in_the_hooks_order_counts(void **state)
{
	struct finding finding;

	(void)state;
	told.finding = (struct finding){.verdict = VERDICT_VIRUS, .threat = "Told"};
	mail_add(&scene, 100, virus_text(), VIRUS_SIZE);
	assert_int_equal(run(100, &finding), 0);
	assert_int_equal(finding.verdict, VERDICT_VIRUS);
	assert_string_equal(finding.threat, "Told");
	assert_string_equal(finding.hook, "told");
}

static void damaged_text_gets_no_verdict(void **state)
{
	static const size_t sizes[] = {100, STORE_PIECE_BYTES * 2 + 5};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct finding finding = {.verdict = VERDICT_NONE};

		mail_add_damaged(&scene, 100 + i, sizes[i]);
		assert_int_equal(run(100 + i, &finding), -EBADMSG);
		assert_int_equal(finding.verdict, VERDICT_NONE);
		assert_int_equal(told.finished, 0);
	}
}

static void hook_that_fails_gives_no_verdict(void **state)
{
	int *const places[] = {&told.begin_rc, &told.feed_rc, &told.finish_rc};
	struct finding finding;

	(void)state;
	assert_int_equal(scene_add(&scene, 100, 1000), 0);
	for (size_t i = 0; i < 3; i++) {
		*places[i] = -ETIMEDOUT;
		assert_int_equal(run(100, &finding), -ETIMEDOUT);
		*places[i] = 0;
		assert_int_equal(run(100, &finding), 0);
		assert_int_equal(finding.verdict, VERDICT_CLEAN);
	}
}

static void chain_without_memory_is_not_opened(void **state)
{
	static const struct hook *const hooks[] = {&rules_hook, &told_hook, NULL};

	(void)state;
	told.no_memory = true;
	assert_null(chain_open(hooks));
}

int main(void)
{
#define WITH_CHAIN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_CHAIN(hooks_see_the_whole_text_in_order),
		WITH_CHAIN(virus_across_two_pieces_is_found),
		WITH_CHAIN(first_virus_in_the_hooks_order_counts),
		WITH_CHAIN(damaged_text_gets_no_verdict),
		WITH_CHAIN(hook_that_fails_gives_no_verdict),
		WITH_CHAIN(chain_without_memory_is_not_opened),
	};

	return cmocka_run_group_tests_name("scan/chain", tests, NULL, NULL);
}
