/*
 * scene.h: a store in a folder of its own, a writer without its thread, a clock that is turned, and messages made up.
 *
 * A message's text follows from its id and size, so that anybody can say whether what the store gives is what was put in.
 */
#ifndef SLUICE_TESTS_UNIT_QUEUE_SCENE_H
#define SLUICE_TESTS_UNIT_QUEUE_SCENE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/mailbox.h"
#include "queue/message.h"
#include "queue/reader.h"
#include "queue/store.h"
#include "queue/writer.h"

struct scene {
	char data_dir[64];
	uint64_t max_bytes;
	struct store *store;
	struct store_view *view;
	struct mailbox *answers, *work;
	struct writer *writer;
	struct clock_turned turned;
	uint16_t upstream;
};

/* A request, and whether its answer has come. */
struct asked {
	struct writer_request request;
	bool answered;
};

static inline void scene_start(struct scene *scene)
{
	struct store_options options = {.data_dir = scene->data_dir, .max_bytes = scene->max_bytes};
	struct reason reason;

	if (store_open(&options, &scene->store, &reason) < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(store_upstream_number(scene->store, "campus", &scene->upstream), 0);
	assert_int_equal(store_view_open(scene->store, &scene->view), 0);
	scene->answers = mailbox_open(4096);
	scene->work = mailbox_open(2);
	scene->writer = writer_open(scene->store, &scene->turned.clock, 4096, scene->work);
	assert_non_null(scene->writer);
}

static inline void scene_stop(struct scene *scene)
{
	writer_close(&scene->writer);
	mailbox_close(&scene->work);
	mailbox_close(&scene->answers);
	store_view_close(&scene->view);
	store_close(&scene->store);
}

static inline void scene_open(struct scene *scene, uint64_t max_bytes)
{
	*scene = (struct scene){.max_bytes = max_bytes};
	snprintf(scene->data_dir, sizeof(scene->data_dir), "/tmp/sluice-scene-XXXXXX");
	assert_non_null(mkdtemp(scene->data_dir));
	clock_turned_init(&scene->turned, 1700000000000);
	scene_start(scene);
}

/* As after a restart: all that is known is what is on the disk. */
static inline void scene_restart(struct scene *scene)
{
	scene_stop(scene);
	scene_start(scene);
}

static inline void scene_close(struct scene *scene)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "new"};
	char path[128];

	scene_stop(scene);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", scene->data_dir, files[i]);
		unlink(path);
	}
	rmdir(scene->data_dir);
}

/* ---- messages ---- */

static inline uint8_t scene_byte(uint64_t id, size_t at)
{
	return (uint8_t)(id * 7 + at * 31 + at / 251);
}

static inline struct message *scene_message(const struct scene *scene, uint64_t id, size_t size)
{
	struct message *message = calloc(1, sizeof(*message));
	struct envelope *envelope = envelope_new(1);
	uint8_t *bytes = malloc(size + 1);
	struct text text = {0};

	assert_true(message != NULL && envelope != NULL && bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] = scene_byte(id, i);
	assert_true(text_append(&text, bytes, size));
	free(bytes);
	envelope->id = envelope->body_id = id;
	envelope->size_bytes = size;
	envelope->checksum = text_checksum(&text);
	envelope->chunk_count = text.piece_count;
	envelope->received_unix_ms = clock_unix_ms(&scene->turned.clock);
	envelope->lane = LANE_NORMAL;
	envelope->reverse_path = "from@example.org";
	envelope->client = "192.0.2.1";
	envelope->helo = "client.example.org";
	envelope->listener = "handoff";
	envelope->recipients[0].address = "to@example.edu";
	envelope->recipients[0].state = RECIPIENT_WAITING;
	envelope->recipients[0].upstream = scene->upstream;
	envelope->recipients[0].due_unix_ms = envelope->received_unix_ms;
	message->envelope = envelope;
	message->pieces = text_take(&text, true);
	text_fini(&text);
	return message;
}

/* ---- requests ---- */

static void scene_answered(struct letter *letter, void *context)
{
	struct asked *asked = LETTER_OF(letter, struct asked, request.letter);

	(void)context;
	assert_false(asked->answered);
	asked->answered = true;
}

static inline void scene_submit(struct scene *scene, struct asked *asked)
{
	asked->answered = false;
	asked->request.letter.read = scene_answered;
	asked->request.answer_to = scene->answers;
	writer_submit(scene->writer, &asked->request);
}

static inline void scene_read_answers(struct scene *scene)
{
	struct letter *letter;

	while ((letter = mailbox_pop(scene->answers)) != NULL)
		letter->read(letter, NULL);
}

static inline void scene_run(struct scene *scene)
{
	while (writer_step(scene->writer) > 0)
		;
	scene_read_answers(scene);
}

static inline void scene_submit_add(
	struct scene *scene, struct asked *asked, struct message *message)
{
	asked->request = (struct writer_request){.verb = WRITER_ADD, .message = message};
	scene_submit(scene, asked);
}

/* One request from submit to answer, alone; frees the message. */
static inline int scene_add(struct scene *scene, uint64_t id, size_t size)
{
	struct message *message = scene_message(scene, id, size);
	struct asked asked;

	scene_submit_add(scene, &asked, message);
	scene_run(scene);
	assert_true(asked.answered);
	message_close(&message);
	return asked.request.result;
}

static inline int scene_deliver_all(struct envelope *envelope, void *argument)
{
	(void)argument;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		envelope->recipients[i].state = RECIPIENT_DELIVERED;
	return 0;
}

static inline int scene_defer(struct envelope *envelope, void *argument)
{
	(void)argument;
	envelope->recipients[0].state = RECIPIENT_DEFERRED;
	envelope->recipients[0].attempts++;
	return 0;
}

static inline void scene_submit_change(
	struct scene *scene, struct asked *asked, uint64_t id, writer_change_fn *change)
{
	asked->request = (struct writer_request){.verb = WRITER_CHANGE, .id = id, .change = change};
	scene_submit(scene, asked);
}

static inline int scene_change(struct scene *scene, uint64_t id, writer_change_fn *change)
{
	struct asked asked;

	scene_submit_change(scene, &asked, id, change);
	scene_run(scene);
	assert_true(asked.answered);
	return asked.request.result;
}

/* ---- what is in the store ---- */

static inline struct envelope *scene_get(struct scene *scene, uint64_t id)
{
	struct envelope *envelope = NULL;
	int rc = store_view_get(scene->view, id, &envelope);

	assert_true(rc == 0 || rc == -ENOENT);
	return envelope;
}

static inline bool scene_has(struct scene *scene, uint64_t id)
{
	struct envelope *envelope = scene_get(scene, id);
	bool has = envelope != NULL;

	envelope_close(&envelope);
	return has;
}

static inline bool scene_has_piece(struct scene *scene, uint64_t id, uint32_t sequence)
{
	uint8_t *bytes = malloc(STORE_PIECE_BYTES);
	ssize_t size;

	assert_non_null(bytes);
	size = store_view_piece(scene->view, id, sequence, bytes);
	free(bytes);
	assert_true(size > 0 || size == -ENOENT);
	return size > 0;
}

/* The message is there, and its text is byte for byte what scene_message made. */
static inline void scene_check_whole(struct scene *scene, uint64_t id)
{
	struct envelope *envelope = scene_get(scene, id);
	uint8_t *bytes = malloc(STORE_PIECE_BYTES);
	struct reader reader;
	uint64_t at = 0;
	ssize_t size;

	assert_true(envelope != NULL && bytes != NULL);
	reader_init(&reader, scene->view, envelope, READ_EIGHTBIT);
	while ((size = reader_next(&reader, bytes)) > 0)
		for (ssize_t i = 0; i < size; i++, at++)
			assert_true(bytes[i] == scene_byte(id, at));
	assert_int_equal(size, 0);
	assert_int_equal(at, envelope->size_bytes);
	reader_fini(&reader);
	free(bytes);
	envelope_close(&envelope);
}

#endif
