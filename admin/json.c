#include "admin/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/utf8.h"

static void put(struct json *json, const void *from, size_t size)
{
	if (!json->failed && !bytes_append(json->out, from, size))
		json->failed = true;
}

static void put_text(struct json *json, const char *text)
{
	put(json, text, strlen(text));
}

static void put_unit(struct json *json, unsigned unit)
{
	char escaped[8];

	snprintf(escaped, sizeof(escaped), "\\u%04x", unit & 0xffff);
	put_text(json, escaped);
}

/* Characters over U+FFFF are two units in JSON. */
static void put_code(struct json *json, uint32_t code)
{
	if (code < 0x10000) {
		put_unit(json, code);
		return;
	}
	put_unit(json, 0xd800 + ((code - 0x10000) >> 10));
	put_unit(json, 0xdc00 + ((code - 0x10000) & 0x3ff));
}

static const char *short_escape(uint32_t code)
{
	switch (code) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

static void put_quoted(struct json *json, const uint8_t *text, size_t size)
{
	size_t plain = 0; /* bytes before `at` that go out as they are */
	size_t at = 0;

	put_text(json, "\"");
	while (at < size) {
		uint32_t code = 0;
		size_t length = utf8_next(text + at, size - at, &code);
		const char *escape = length == 0 ? "\\ufffd" : short_escape(code);

		if (escape == NULL && !utf8_is_control(code)) {
			at += length;
			continue;
		}
		put(json, text + plain, at - plain);
		if (escape != NULL)
			put_text(json, escape);
		else
			put_code(json, code);
		at += length ? length : 1;
		plain = at;
	}
	put(json, text + plain, at - plain);
	put_text(json, "\"");
}

static void put_name(struct json *json, const char *name)
{
	if (json->comma)
		put_text(json, ",");
	json->comma = true;
	if (name == NULL)
		return;
	put_quoted(json, (const uint8_t *)name, strlen(name));
	put_text(json, ":");
}

static void open_nest(struct json *json, const char *name, const char *opener, char closer)
{
	put_name(json, name);
	if (json->depth >= JSON_DEPTH_MAX) {
		json->failed = true;
		return;
	}
	put_text(json, opener);
	json->closers[json->depth++] = closer;
	json->comma = false;
}

void json_begin(struct json *json, struct bytes *out)
{
	*json = (struct json){.out = out};
}

bool json_end(struct json *json)
{
	put_text(json, "\n");
	return !json->failed && json->depth == 0;
}

void json_open_object(struct json *json, const char *name)
{
	open_nest(json, name, "{", '}');
}

void json_open_list(struct json *json, const char *name)
{
	open_nest(json, name, "[", ']');
}

void json_close(struct json *json)
{
	if (json->depth == 0) {
		json->failed = true;
		return;
	}
	put(json, &json->closers[--json->depth], 1);
	json->comma = true;
}

void json_write_text_sized(struct json *json, const char *name, const void *text, size_t size)
{
	put_name(json, name);
	put_quoted(json, text, size);
}

void json_write_text(struct json *json, const char *name, const char *text)
{
	if (text == NULL)
		json_write_null(json, name);
	else
		json_write_text_sized(json, name, text, strlen(text));
}

void json_write_number(struct json *json, const char *name, uint64_t number)
{
	char digits[24];

	put_name(json, name);
	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	put_text(json, digits);
}

void json_write_raw(struct json *json, const char *name, const void *value, size_t size)
{
	put_name(json, name);
	put(json, value, size);
}

void json_write_real(struct json *json, const char *name, double number)
{
	char digits[400];

	if (!isfinite(number)) {
		json_write_null(json, name);
		return;
	}
	put_name(json, name);
	snprintf(digits, sizeof(digits), "%.3f", number);
	put_text(json, digits);
}

void json_write_bool(struct json *json, const char *name, bool value)
{
	put_name(json, name);
	put_text(json, value ? "true" : "false");
}

void json_write_null(struct json *json, const char *name)
{
	put_name(json, name);
	put_text(json, "null");
}

void json_write_time(struct json *json, const char *name, uint64_t unix_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	json_write_text(json, name, unix_ms == 0 ? NULL : clock_format_rfc3339(unix_ms, text));
}
