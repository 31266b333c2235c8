/*
 * store_fixture.h: a store in a directory of its own, on the file system of the build, and messages to put in it.
 */
#ifndef SLUICE_TESTS_STORE_FIXTURE_H
#define SLUICE_TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/store.h"

#define CAMPUS    UPSTREAM_FIRST
#define ELSEWHERE (UPSTREAM_FIRST + 1)

struct fixture {
	char dir[256];
	struct store_options options;
	struct store *store;
	struct reason reason;
};

static inline void fixture_dir(struct fixture *fixture)
{
	const char *above = getenv("TMPDIR");

	*fixture = (struct fixture){.options.max_bytes = 64 << 20};
	snprintf(fixture->dir, sizeof(fixture->dir), "%s/store_test.XXXXXX",
		above != NULL ? above : ".");
	assert_non_null(mkdtemp(fixture->dir));
	fixture->options.data_dir = fixture->dir;
}

static inline void fixture_reopen(struct fixture *fixture)
{
	store_close(&fixture->store);
	if (store_open(&fixture->options, &fixture->store, &fixture->reason) < 0)
		fail_msg("%s", fixture->reason.text);
}

static inline void fixture_open(struct fixture *fixture, uint64_t max_bytes)
{
	fixture_dir(fixture);
	fixture->options.max_bytes = max_bytes;
	fixture_reopen(fixture);
}

static inline char *fixture_path(const struct fixture *fixture, const char *name, char *out)
{
	snprintf(out, 512, "%s/%s", fixture->dir, name);
	return out;
}

static inline void fixture_close(struct fixture *fixture)
{
	char path[512];
	struct dirent *file;
	DIR *dir;

	store_close(&fixture->store);
	dir = opendir(fixture->dir);
	assert_non_null(dir);
	while ((file = readdir(dir)) != NULL)
		unlink(fixture_path(fixture, file->d_name, path));
	closedir(dir);
	assert_int_equal(rmdir(fixture->dir), 0);
}

/* A message whose recipients all wait for CAMPUS, due at once. */
static inline struct envelope *make_message(uint64_t id, size_t recipients)
{
	struct envelope *envelope = envelope_new(recipients);
	size_t i;

	assert_non_null(envelope);
	envelope->id = envelope->body_id = id;
	envelope->lane = LANE_NORMAL;
	envelope->reverse_path = "alarm@example.edu";
	envelope->client = "10.1.2.3";
	for (i = 0; i < recipients; i++)
		envelope->recipients[i] = (struct recipient){.address = "guards@example.edu",
			.state = RECIPIENT_WAITING,
			.upstream = CAMPUS};
	return envelope;
}

/* Text of a body that can be told from every other's. */
static inline void fill_text(uint8_t *text, size_t size, uint64_t body_id)
{
	size_t i;

	for (i = 0; i < size; i++)
		text[i] = (uint8_t)(body_id * 31 + i + i / 256);
}

/* Appends all pieces of a text of the envelope's size. */
static inline int append_text(struct store_batch *batch, const struct envelope *envelope)
{
	uint64_t left = envelope->size_bytes;
	uint8_t *text = malloc(left + 1);
	uint32_t sequence;
	size_t size;
	int rc = 0;

	assert_non_null(text);
	fill_text(text, left, envelope->body_id);
	for (sequence = 0; left > 0 && rc == 0; sequence++, left -= size) {
		size = left < STORE_PIECE_BYTES ? left : STORE_PIECE_BYTES;
		rc = store_append(batch, envelope->body_id, sequence,
			text + (size_t)sequence * STORE_PIECE_BYTES, size);
	}
	free(text);
	return rc;
}

/* Adds it with its text in a commit of its own. */
static inline int add_message(struct store *store, const struct envelope *envelope)
{
	struct store_batch *batch;
	int rc;

	assert_int_equal(store_begin(store, &batch), 0);
	rc = append_text(batch, envelope);
	if (rc == 0)
		rc = store_add(batch, envelope);
	if (rc == 0)
		return store_commit(&batch);
	store_abort(&batch);
	return rc;
}

static inline int remove_message(struct store *store, uint64_t id)
{
	struct envelope *envelope;
	struct store_batch *batch;
	int rc;

	assert_int_equal(store_begin(store, &batch), 0);
	rc = store_get(batch, id, &envelope);
	if (rc == 0) {
		rc = store_remove(batch, envelope);
		envelope_close(&envelope);
	}
	if (rc == 0)
		return store_commit(&batch);
	store_abort(&batch);
	return rc;
}

#endif
