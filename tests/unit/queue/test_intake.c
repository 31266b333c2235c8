#include "queue/intake.h"

#include "tests/unit/queue/scene.h"

#define CREDITS 3

struct client {
	struct writer_request request;
	unsigned number;
};

/* What the worker of this test has read, in order. */
static unsigned read_numbers[64], read_count;

static void answer_read(struct letter *letter, void *context)
{
	struct client *client = LETTER_OF(letter, struct client, request.letter);

	read_numbers[read_count++] = client->number;
	intake_answered(context);
}

static int nothing(struct store *store, void *argument)
{
	(void)store;
	(void)argument;
	return 0;
}

static int setup(void **state)
{
	static struct scene scene;

	scene_open(&scene, 16u << 20);
	read_count = 0;
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	scene_close(*state);
	return 0;
}

static void submit(struct intake *intake, struct client *client, unsigned number)
{
	*client = (struct client){.number = number,
		.request = {.verb = WRITER_CALL, .call = nothing, .letter.read = answer_read}};
	intake_submit(intake, &client->request);
}

static size_t step_all(struct scene *scene)
{
	size_t moved = 0, now;

	while ((now = writer_step(scene->writer)) > 0)
		moved += now;
	return moved;
}

static void read_inbox(struct mailbox *inbox, struct intake *intake)
{
	struct letter *letter;

	while ((letter = mailbox_pop(inbox)) != NULL)
		letter->read(letter, intake);
}

static void only_as_many_as_there_are_credits_are_under_way(void **state)
{
	struct scene *scene = *state;
	struct intake *intake = intake_open(scene->writer, scene->answers, CREDITS);
	struct client clients[10];

	for (unsigned i = 0; i < 10; i++)
		submit(intake, &clients[i], i);
	assert_int_equal(step_all(scene), CREDITS);
	assert_int_equal(mailbox_depth(scene->answers), CREDITS);
	assert_int_equal(step_all(scene), 0);
	read_inbox(scene->answers, intake);
	assert_int_equal(step_all(scene), CREDITS);
	for (unsigned i = 0; i < 10; i++) {
		read_inbox(scene->answers, intake);
		step_all(scene);
	}
	assert_int_equal(read_count, 10);
	intake_close(&intake);
	assert_null(intake);
}

static void what_waits_for_credit_goes_in_order(void **state)
{
	struct scene *scene = *state;
	struct intake *intake = intake_open(scene->writer, scene->answers, 1);
	struct client clients[20];

	for (unsigned i = 0; i < 10; i++)
		submit(intake, &clients[i], i);
	while (read_count < 10) {
		assert_int_equal(step_all(scene), 1);
		read_inbox(scene->answers, intake);
	}
	/* and the line can be formed again after it was empty */
	for (unsigned i = 10; i < 20; i++)
		submit(intake, &clients[i], i);
	while (read_count < 20) {
		assert_int_equal(step_all(scene), 1);
		read_inbox(scene->answers, intake);
	}
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(read_numbers[i], i);
	intake_close(&intake);
}

/* With no pieces in it: it is the order that counts. */
static void submit_text(struct intake *intake, struct client *client, unsigned number)
{
	*client = (struct client){.number = number,
		.request = {.verb = WRITER_APPEND, .id = number, .letter.read = answer_read}};
	intake_submit(intake, &client->request);
}

static void parts_of_texts_and_messages_take_turns(void **state)
{
	static const unsigned wanted[] = {0, 6, 1, 7, 2, 8, 3, 9, 4, 5};
	struct scene *scene = *state;
	struct intake *intake = intake_open(scene->writer, scene->answers, 1);
	struct client clients[10];

	submit(intake, &clients[0], 0);
	for (unsigned i = 1; i < 6; i++)
		submit_text(intake, &clients[i], i);
	for (unsigned i = 6; i < 10; i++)
		submit(intake, &clients[i], i);
	for (unsigned turn = 0; read_count < 10 && turn < 100; turn++) {
		step_all(scene);
		read_inbox(scene->answers, intake);
	}
	assert_int_equal(read_count, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(read_numbers[i], wanted[i]);
	intake_close(&intake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			only_as_many_as_there_are_credits_are_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(
			parts_of_texts_and_messages_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_waits_for_credit_goes_in_order, setup, teardown),
	};

	return cmocka_run_group_tests_name("queue/intake", tests, NULL, NULL);
}
