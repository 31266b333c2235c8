#include "admin/grant_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/grant_field.h"
#include "core/nearest.h"

#define DAY_MS (UINT64_C(86400) * 1000)

static const char *const derived[] = {"name", "revision", "life", "days_left", "usage", "unused"};

static void *member_of(const struct grant *grant, const struct grant_field *field)
{
	return (char *)grant + field->offset;
}

/* ---- writing ---- */

static void write_texts(struct json *json, const char *name, const struct grant_texts *texts)
{
	json_open_list(json, name);
	for (size_t i = 0; i < texts->count; i++)
		json_write_text(json, NULL, texts->items[i]);
	json_close(json);
}

static void write_field(
	struct json *json, const struct grant *grant, const struct grant_field *field)
{
	const void *member = member_of(grant, field);
	const char *text;

	switch (field->kind) {
	case GRANT_TEXT:
		text = *(char *const *)member;
		json_write_text(json, field->name, text[0] != '\0' ? text : NULL);
		break;
	case GRANT_TEXTS:
		write_texts(json, field->name, member);
		break;
	case GRANT_NUMBER:
		json_write_number(json, field->name, *(const uint32_t *)member);
		break;
	case GRANT_FLAG:
		json_write_bool(json, field->name, *(const bool *)member);
		break;
	case GRANT_CHOICE:
		json_write_text(json, field->name, field->choices[*(const unsigned *)member]);
		break;
	case GRANT_TIME:
		json_write_time(json, field->name, *(const uint64_t *)member);
		break;
	}
}

static void write_fields(struct json *json, const struct grant *grant)
{
	for (size_t i = 0; i < GRANT_FIELD_COUNT; i++)
		write_field(json, grant, &grant_fields[i]);
}

static void write_usage(struct json *json, const struct grant_usage *usage)
{
	if (!usage->is_known) {
		json_write_null(json, "usage");
		return;
	}
	json_open_object(json, "usage");
	json_write_number(json, "messages", usage->messages);
	json_write_number(json, "recipients", usage->recipients);
	json_write_number(json, "bytes", usage->bytes);
	json_write_number(json, "messages_per_day", usage->messages_per_day);
	json_write_number(json, "unmarked_bulk", usage->unmarked_bulk);
	json_write_time(json, "last", usage->last_unix_ms);
	json_close(json);
}

/* Whole days; 0 of the last one and of what has lapsed. */
static void write_days_left(struct json *json, const struct grant *grant, uint64_t now_unix_ms)
{
	if (grant->state != GRANT_APPROVED)
		json_write_null(json, "days_left");
	else
		json_write_number(json, "days_left",
			grant->expires_unix_ms > now_unix_ms
				? (grant->expires_unix_ms - now_unix_ms) / DAY_MS
				: 0);
}

void grant_write(struct json *json, const char *name, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms)
{
	json_open_object(json, name);
	json_write_text(json, "name", grant->name);
	json_write_number(json, "revision", grant->revision);
	json_write_text(json, "life", grant_life_name(grant_life(grant, now_unix_ms)));
	write_days_left(json, grant, now_unix_ms);
	write_fields(json, grant);
	write_usage(json, usage);
	json_write_bool(json, "unused", grant_is_unused(grant, usage, now_unix_ms));
	json_close(json);
}

void grant_write_record(struct json *json, const char *name, const struct grant *grant)
{
	json_open_object(json, name);
	json_write_text(json, "name", grant->name);
	write_fields(json, grant);
	json_close(json);
}

/* ---- reading ---- */

static int refuse_value(
	const struct grant_field *field, const char *expected, struct reason *reason)
{
	reason_set(reason, "%s: expected %s", field->name, expected);
	return -EINVAL;
}

static int read_text(
	const struct grant_field *field, const json_t *value, char **member, struct reason *reason)
{
	if (json_is_null(value))
		return grant_set_text(member, "") ? 0 : -ENOMEM;
	if (!json_is_string(value))
		return refuse_value(field, "a text", reason);
	return grant_set_text(member, json_string_value(value)) ? 0 : -ENOMEM;
}

static int read_texts(const struct grant_field *field, const json_t *value,
	struct grant_texts *member, struct reason *reason)
{
	bool is_certificate = field == &grant_fields[FIELD_CERTIFICATES];
	char plain[GRANT_CERTIFICATE_SIZE];
	const json_t *item;
	size_t i;

	grant_clear_texts(member);
	if (!json_is_array(value) && !json_is_null(value))
		return refuse_value(field, "a list of texts", reason);
	if (json_array_size(value) > GRANT_TEXTS_MAX) {
		reason_set(reason, "%s: there are over %d", field->name, GRANT_TEXTS_MAX);
		return -EINVAL;
	}
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return refuse_value(field, "a list of texts", reason);
		if (!grant_add_text(member,
			    is_certificate ? grant_certificate_plain(json_string_value(item), plain)
					   : json_string_value(item)))
			return -ENOMEM;
	}
	return 0;
}

static int read_number(const struct grant_field *field, const json_t *value, uint32_t *member,
	struct reason *reason)
{
	json_int_t number = json_integer_value(value);

	if ((!json_is_integer(value) && !json_is_null(value)) || number < 0 ||
		number > (json_int_t)UINT32_MAX)
		return refuse_value(field, "a whole number", reason);
	*member = (uint32_t)number;
	return 0;
}

static int read_flag(
	const struct grant_field *field, const json_t *value, bool *member, struct reason *reason)
{
	if (!json_is_boolean(value) && !json_is_null(value))
		return refuse_value(field, "true or false", reason);
	*member = json_is_true(value);
	return 0;
}

static int refuse_choice(const struct grant_field *field, struct reason *reason)
{
	char words[128] = "";
	size_t used = 0;

	for (size_t i = 0; field->choices[i] != NULL; i++) {
		if (field->choices[i][0] != '\0')
			used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s",
				used > 0 ? ", " : "one of ", field->choices[i]);
	}
	return refuse_value(field, words, reason);
}

/* null leaves what a new grant has. */
static int read_choice(const struct grant_field *field, const json_t *value, unsigned *member,
	struct reason *reason)
{
	const char *word = json_string_value(value);

	if (json_is_null(value))
		return 0;
	for (unsigned i = 0; word != NULL && word[0] != '\0' && field->choices[i] != NULL; i++) {
		if (strcmp(field->choices[i], word) == 0) {
			*member = i;
			return 0;
		}
	}
	return refuse_choice(field, reason);
}

static int read_time(const struct grant_field *field, const json_t *value, uint64_t *member,
	struct reason *reason)
{
	const char *text = json_string_value(value);

	*member = 0;
	if (json_is_null(value) || (text != NULL && grant_time_parse(text, member) == 0))
		return 0;
	return refuse_value(
		field, "a time as 2027-11-23T10:00:00Z, or a day as 2027-11-23", reason);
}

static int read_field(const struct grant_field *field, const json_t *value, struct grant *grant,
	struct reason *reason)
{
	void *member = member_of(grant, field);

	switch (field->kind) {
	case GRANT_TEXT:
		return read_text(field, value, member, reason);
	case GRANT_TEXTS:
		return read_texts(field, value, member, reason);
	case GRANT_NUMBER:
		return read_number(field, value, member, reason);
	case GRANT_FLAG:
		return read_flag(field, value, member, reason);
	case GRANT_CHOICE:
		return read_choice(field, value, member, reason);
	case GRANT_TIME:
		return read_time(field, value, member, reason);
	}
	return -EINVAL;
}

static bool is_derived(const char *name)
{
	for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++) {
		if (strcmp(derived[i], name) == 0)
			return true;
	}
	return false;
}

static int read_member(
	const char *name, const json_t *value, struct grant *grant, struct reason *reason)
{
	const struct grant_field *field = grant_field_find(name);
	struct nearest_hint hint;

	if (field != NULL)
		return read_field(field, value, grant, reason);
	if (is_derived(name))
		return 0;
	reason_set(reason, "there is no field \"%.100s\"%s", name, grant_field_near(name, &hint));
	return -EINVAL;
}

int grant_read(const json_t *object, struct grant *grant, struct reason *reason)
{
	void *at = json_object_iter((json_t *)object);
	int rc = 0;

	if (!json_is_object(object)) {
		reason_set(reason, "expected an object with a grant's fields");
		return -EINVAL;
	}
	for (; at != NULL && rc == 0; at = json_object_iter_next((json_t *)object, at))
		rc = read_member(
			json_object_iter_key(at), json_object_iter_value(at), grant, reason);
	return rc;
}

static bool is_same(
	const struct grant_field *field, const struct grant *before, const struct grant *after)
{
	const void *a = member_of(before, field), *b = member_of(after, field);

	switch (field->kind) {
	case GRANT_TEXT:
		return strcmp(*(char *const *)a, *(char *const *)b) == 0;
	case GRANT_CHOICE:
		return *(const unsigned *)a == *(const unsigned *)b;
	case GRANT_TIME:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	default:
		return true; /* no history has such a kind */
	}
}

const struct grant_field *grant_changed_history(
	const struct grant *before, const struct grant *after)
{
	for (size_t i = 0; i < GRANT_FIELD_COUNT; i++) {
		const struct grant_field *field = &grant_fields[i];

		if (field->is_history && !is_same(field, before, after))
			return field;
	}
	return NULL;
}
