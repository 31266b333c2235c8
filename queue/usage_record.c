/*
 * The record of a usage (record.h), seeded with its kind and name. A day is a field that holds fields; the sketch is one of bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/record.h"
#include "queue/usage.h"

#define RECORD_VERSION 1

#define FIELD_DAY    40
#define FIELD_SKETCH 41

static const struct record_field usage_fields[] = {
	[1] = RECORD_NUMBER(usage, first_unix_ms),
	[2] = RECORD_NUMBER(usage, last_unix_ms),
	[3] = RECORD_NUMBER(usage, messages),
	[4] = RECORD_NUMBER(usage, recipients),
	[5] = RECORD_NUMBER(usage, bytes),
	[6] = RECORD_NUMBER(usage, unmarked_bulk),
	[7] = RECORD_NUMBER(usage, paced),
	[8] = RECORD_NUMBER(usage, held),
	[9] = RECORD_NUMBER(usage, messages_full_unix_us),
	[10] = RECORD_NUMBER(usage, recipients_full_unix_us),
	[11] = RECORD_NUMBER(usage, told_day),
	[12] = RECORD_NUMBER(usage, sketch_day),
	[13] = RECORD_NUMBER(usage, notice_day),
};

static const struct record_field day_fields[] = {
	[1] = RECORD_NUMBER(usage_day, day),
	[2] = RECORD_NUMBER(usage_day, messages),
	[3] = RECORD_NUMBER(usage_day, recipients),
	[4] = RECORD_NUMBER(usage_day, bytes),
};

static const struct record_layout usage_layout = RECORD_LAYOUT(usage_fields);
static const struct record_layout day_layout = RECORD_LAYOUT(day_fields);

static uint64_t seed_of(enum usage_kind kind, const char *name)
{
	return XXH3_64bits_withSeed(name, strlen(name), kind);
}

/* ---- encode ---- */

bool usage_encode(const struct usage *usage, struct bytes *out)
{
	size_t start = out->size;
	bool done = record_begin(out) && record_put_members(out, &usage_layout, usage);

	for (size_t i = 0; i < usage->day_count && done; i++)
		done = record_put_struct(out, FIELD_DAY, &day_layout, &usage->days[i]);
	if (done && usage->sketch != NULL)
		done = record_put_bytes(out, FIELD_SKETCH, usage->sketch, USAGE_SKETCH_BYTES);
	if (!done) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, RECORD_VERSION,
		seed_of(usage->kind, usage->name));
	return true;
}

/* ---- decode ---- */

static int take_sketch(struct usage *usage, struct record_span value)
{
	if (record_span_size(value) != USAGE_SKETCH_BYTES || usage->sketch != NULL)
		return 0;
	usage->sketch = malloc(USAGE_SKETCH_BYTES);
	if (usage->sketch == NULL)
		return -ENOMEM;
	memcpy(usage->sketch, value.at, USAGE_SKETCH_BYTES);
	return 0;
}

static int take_field(struct usage *usage, unsigned number, struct record_span value)
{
	if (number == FIELD_SKETCH)
		return take_sketch(usage, value);
	if (number == FIELD_DAY)
		return usage->day_count == USAGE_DAYS
			       ? 0
			       : record_take_members(&day_layout, value,
					 &usage->days[usage->day_count++], NULL, NULL);
	return record_take_member(&usage_layout, number, value, usage, NULL, NULL);
}

static int take_fields(struct usage *usage, struct record_span span)
{
	struct record_span value;
	unsigned number;
	int found, rc = 0;

	while (rc == 0 && (found = record_next(&span, &number, &value)) != 0)
		rc = found < 0 ? -EBADMSG : take_field(usage, number, value);
	return rc;
}

int usage_decode(
	enum usage_kind kind, const char *name, const void *record, size_t size, struct usage **out)
{
	struct record_span fields;
	struct usage *usage;
	int rc;

	if (!record_open(record, size, RECORD_VERSION, seed_of(kind, name), &fields))
		return -EBADMSG;
	usage = usage_new(kind, name);
	if (usage == NULL)
		return -ENOMEM;
	rc = take_fields(usage, fields);
	if (rc < 0)
		usage_close(&usage);
	else
		*out = usage;
	return rc;
}
