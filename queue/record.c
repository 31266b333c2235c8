#include "queue/record.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define NESTED_LENGTH_MAX  ((1u << 21) - 1)
#define NESTED_LENGTH_SIZE 3

static uint32_t sum_of(const uint8_t *record, size_t size, uint64_t seed)
{
	return (uint32_t)XXH3_64bits_withSeed(
		record + RECORD_HEAD_BYTES, size - RECORD_HEAD_BYTES, seed);
}

/* ---- write ---- */

bool record_begin(struct bytes *out)
{
	static const uint8_t no_head[RECORD_HEAD_BYTES];

	return bytes_append(out, no_head, sizeof(no_head));
}

void record_seal(uint8_t *record, size_t size, uint8_t version, uint64_t seed)
{
	uint32_t sum = sum_of(record, size, seed);

	record[0] = version;
	for (unsigned i = 0; i < 4; i++)
		record[1 + i] = (uint8_t)(sum >> (24 - 8 * i));
}

static bool put_head(struct bytes *out, unsigned number, size_t size)
{
	uint8_t head[8] = {(uint8_t)number};
	size_t used = 1;

	if (size > UINT32_MAX)
		return false;
	while (size > 0x7f) {
		head[used++] = (uint8_t)(size | 0x80);
		size >>= 7;
	}
	head[used++] = (uint8_t)size;
	return bytes_append(out, head, used);
}

static uint64_t read_member(const void *member, size_t width)
{
	switch (width) {
	case 1:
		return *(const uint8_t *)member;
	case 2:
		return *(const uint16_t *)member;
	case 4:
		return *(const uint32_t *)member;
	default:
		return *(const uint64_t *)member;
	}
}

bool record_put_number(struct bytes *out, unsigned number, const void *member, size_t width)
{
	uint64_t value = read_member(member, width);
	uint8_t digits[8];
	size_t size = 0;

	for (unsigned shift = 64; shift > 0; shift -= 8)
		if (size > 0 || value >> (shift - 8) != 0)
			digits[size++] = (uint8_t)(value >> (shift - 8));
	return size == 0 || record_put_bytes(out, number, digits, size);
}

bool record_put_bytes(struct bytes *out, unsigned number, const void *bytes, size_t size)
{
	return put_head(out, number, size) && bytes_append(out, bytes, size);
}

/* The length is not known before: it stands in three bytes, LEB128 with leading zeros. */
bool record_begin_nested(struct bytes *out, unsigned number, size_t *start)
{
	uint8_t head[1 + NESTED_LENGTH_SIZE] = {(uint8_t)number};

	*start = out->size;
	return bytes_append(out, head, sizeof(head));
}

bool record_end_nested(struct bytes *out, size_t start)
{
	size_t size = out->size - start - 1 - NESTED_LENGTH_SIZE;

	if (size > NESTED_LENGTH_MAX)
		return false;
	out->data[start + 1] = (uint8_t)(size | 0x80);
	out->data[start + 2] = (uint8_t)(size >> 7 | 0x80);
	out->data[start + 3] = (uint8_t)(size >> 14);
	return true;
}

static const void *read_pointer(const char *member)
{
	return *(const void *const *)(const void *)member;
}

static bool put_member(
	struct bytes *out, unsigned number, const struct record_field *field, const char *from)
{
	const char *bytes = from + field->offset;
	size_t size = 0;

	switch (field->kind) {
	case RECORD_NONE:
		return true;
	case RECORD_KIND_NUMBER:
	case RECORD_KIND_FLAG:
		return record_put_number(out, number, bytes, field->width);
	case RECORD_KIND_ARRAY:
		size = strnlen(bytes, field->width);
		return size == 0 || record_put_bytes(out, number, bytes, size);
	case RECORD_KIND_TEXT:
		bytes = read_pointer(bytes);
		size = bytes != NULL ? strlen(bytes) : 0;
		break;
	case RECORD_KIND_BYTES:
		size = *(const size_t *)(const void *)(from + field->size_offset);
		bytes = size > 0 ? read_pointer(bytes) : NULL;
		break;
	}
	return bytes == NULL || record_put_bytes(out, number, bytes, size);
}

bool record_put_members(struct bytes *out, const struct record_layout *layout, const void *from)
{
	bool done = true;

	for (unsigned number = 1; number < layout->count && done; number++)
		done = put_member(out, number, &layout->fields[number], from);
	return done;
}

bool record_put_struct(
	struct bytes *out, unsigned number, const struct record_layout *layout, const void *from)
{
	size_t start;

	return record_begin_nested(out, number, &start) && record_put_members(out, layout, from) &&
	       record_end_nested(out, start);
}

/* ---- read ---- */

bool record_open(
	const void *record, size_t size, uint8_t newest, uint64_t seed, struct record_span *fields)
{
	const uint8_t *bytes = record;
	uint32_t sum = 0;

	if (size < RECORD_HEAD_BYTES || bytes[0] == 0 || bytes[0] > newest)
		return false;
	for (unsigned i = 0; i < 4; i++)
		sum = sum << 8 | bytes[1 + i];
	*fields = (struct record_span){bytes + RECORD_HEAD_BYTES, bytes + size};
	return sum == sum_of(bytes, size, seed);
}

int record_next(struct record_span *span, unsigned *number, struct record_span *value)
{
	uint64_t size = 0;
	unsigned shift = 0;
	uint8_t byte;

	if (span->at == span->end)
		return 0;
	*number = *span->at++;
	do {
		if (span->at == span->end || shift > 28)
			return -1;
		byte = *span->at++;
		size |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (size > (uint64_t)(span->end - span->at))
		return -1;
	*value = (struct record_span){span->at, span->at + size};
	span->at += size;
	return 1;
}

bool record_get_number(struct record_span value, void *member, size_t width)
{
	uint64_t number = 0;

	if (record_span_size(value) > width)
		return false;
	while (value.at < value.end)
		number = number << 8 | *value.at++;
	switch (width) {
	case 1:
		*(uint8_t *)member = (uint8_t)number;
		break;
	case 2:
		*(uint16_t *)member = (uint16_t)number;
		break;
	case 4:
		*(uint32_t *)member = (uint32_t)number;
		break;
	default:
		*(uint64_t *)member = number;
	}
	return true;
}

/* As much as fits, and nothing behind a NUL. */
static void take_array(char *member, size_t width, struct record_span value)
{
	size_t size = record_span_size(value);

	size = strnlen((const char *)value.at, size < width ? size : width - 1);
	memcpy(member, value.at, size);
	member[size] = '\0';
}

static int take_flag(struct record_span value, bool *member)
{
	uint8_t number;

	if (!record_get_number(value, &number, sizeof(number)))
		return -EBADMSG;
	*member = number != 0;
	return 0;
}

int record_take_member(const struct record_layout *layout, unsigned number,
	struct record_span value, void *to, record_text_fn *put_text, void *owner)
{
	const struct record_field *field;
	char *member;
	int rc;

	if (number >= layout->count || layout->fields[number].kind == RECORD_NONE)
		return 0;
	field = &layout->fields[number];
	member = (char *)to + field->offset;
	switch (field->kind) {
	case RECORD_KIND_NUMBER:
		return record_get_number(value, member, field->width) ? 0 : -EBADMSG;
	case RECORD_KIND_FLAG:
		return take_flag(value, (bool *)member);
	case RECORD_KIND_ARRAY:
		take_array(member, field->width, value);
		return 0;
	default:
		break;
	}
	rc = put_text(owner, member, value.at, record_span_size(value));
	if (rc == 0 && field->kind == RECORD_KIND_BYTES)
		*(size_t *)(void *)((char *)to + field->size_offset) = record_span_size(value);
	return rc;
}

int record_take_members(const struct record_layout *layout, struct record_span span, void *to,
	record_text_fn *put_text, void *owner)
{
	struct record_span value;
	unsigned number;
	int found, rc;

	while ((found = record_next(&span, &number, &value)) > 0) {
		rc = record_take_member(layout, number, value, to, put_text, owner);
		if (rc < 0)
			return rc;
	}
	return found < 0 ? -EBADMSG : 0;
}
