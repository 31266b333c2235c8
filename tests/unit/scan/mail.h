/*
 * mail.h: messages in a scene's store that wait to be scanned.
 */
#ifndef SLUICE_TESTS_UNIT_SCAN_MAIL_H
#define SLUICE_TESTS_UNIT_SCAN_MAIL_H

#include "tests/unit/queue/scene.h"
#include "tests/unit/scan/virus.h"

static inline void mail_store(struct scene *scene, struct message *message)
{
	struct asked asked;

	message->envelope->recipients[0].state = RECIPIENT_SCANNING;
	message->envelope->recipients[0].due_unix_ms = 0;
	scene_submit_add(scene, &asked, message);
	scene_run(scene);
	assert_true(asked.answered);
	assert_int_equal(asked.request.result, 0);
	message_close(&message);
}

static inline void mail_add(struct scene *scene, uint64_t id, const void *bytes, size_t size)
{
	struct message *message = scene_message(scene, id, 0);
	struct text text = {0};

	assert_true(text_append(&text, bytes, size));
	message->envelope->size_bytes = size;
	message->envelope->checksum = text_checksum(&text);
	message->envelope->chunk_count = text.piece_count;
	message->pieces = text_take(&text, true);
	text_fini(&text);
	mail_store(scene, message);
}

/* The checksum in its envelope is not its text's. */
static inline void mail_add_damaged(struct scene *scene, uint64_t id, size_t size)
{
	struct message *message = scene_message(scene, id, size);

	message->envelope->checksum ^= 1;
	mail_store(scene, message);
}

#endif
