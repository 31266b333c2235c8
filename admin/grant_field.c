#include "admin/grant_field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/relative.h"
#include "core/config.h"
#include "core/nearest.h"
#include "queue/grant.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const char *const states[] = {"", "requested", "approved", "suspended", "revoked", NULL};
static const char *const spoofs[] = {"refuse", "rewrite", NULL};
static const char *const reaches[] = {"anywhere", "internal", NULL};
static const char *const lanes[] = {"alert", "normal", "bulk", NULL};

#define AT(member) offsetof(struct grant, member)

const struct grant_field grant_fields[GRANT_FIELD_COUNT] = {
	[FIELD_STATE] = {"state", GRANT_CHOICE, AT(state), states, true},
	[FIELD_NETWORKS] = {"networks", GRANT_TEXTS, AT(networks), NULL, false},
	[FIELD_ACCOUNTS] = {"accounts", GRANT_TEXTS, AT(accounts), NULL, false},
	[FIELD_CERTIFICATES] = {"certificates", GRANT_TEXTS, AT(certificates), NULL, false},
	[FIELD_OWNER] = {"owner", GRANT_TEXT, AT(owner), NULL, false},
	[FIELD_CONTACT] = {"contact", GRANT_TEXT, AT(contact), NULL, false},
	[FIELD_PURPOSE] = {"purpose", GRANT_TEXT, AT(purpose), NULL, false},
	[FIELD_DEVICE] = {"device", GRANT_TEXT, AT(device), NULL, false},
	[FIELD_SENDERS] = {"senders", GRANT_TEXTS, AT(senders), NULL, false},
	[FIELD_HEADER_FROMS] = {"header_froms", GRANT_TEXTS, AT(header_froms), NULL, false},
	[FIELD_SPOOF] = {"spoof", GRANT_CHOICE, AT(spoof), spoofs, false},
	[FIELD_MAILBOX] = {"mailbox", GRANT_TEXT, AT(mailbox), NULL, false},
	[FIELD_REPLACES_NULL] = {"replaces_null", GRANT_FLAG, AT(replaces_null), NULL, false},
	[FIELD_TAKES_ANY_AUTH] = {"takes_any_auth", GRANT_FLAG, AT(takes_any_auth), NULL, false},
	[FIELD_AUTH_IN_CLEAR] = {"auth_in_clear", GRANT_FLAG, AT(auth_in_clear), NULL, false},
	[FIELD_REACH] = {"reach", GRANT_CHOICE, AT(reach), reaches, false},
	[FIELD_LANE] = {"lane", GRANT_CHOICE, AT(lane), lanes, false},
	[FIELD_MESSAGES_PER_HOUR] = {"messages_per_hour", GRANT_NUMBER, AT(messages_per_hour), NULL,
		false},
	[FIELD_RECIPIENTS_PER_HOUR] = {"recipients_per_hour", GRANT_NUMBER, AT(recipients_per_hour),
		NULL, false},
	[FIELD_MESSAGES_PER_DAY] = {"messages_per_day", GRANT_NUMBER, AT(messages_per_day), NULL,
		false},
	[FIELD_CREATED] = {"created", GRANT_TIME, AT(created_unix_ms), NULL, true},
	[FIELD_CREATED_BY] = {"created_by", GRANT_TEXT, AT(created_by), NULL, true},
	[FIELD_APPROVED] = {"approved", GRANT_TIME, AT(approved_unix_ms), NULL, true},
	[FIELD_APPROVED_BY] = {"approved_by", GRANT_TEXT, AT(approved_by), NULL, true},
	[FIELD_EXPIRES] = {"expires", GRANT_TIME, AT(expires_unix_ms), NULL, true},
	[FIELD_SINCE] = {"since", GRANT_TIME, AT(state_unix_ms), NULL, true},
	[FIELD_REASON] = {"reason", GRANT_TEXT, AT(reason), NULL, true},
};

const struct grant_field *grant_field_find(const char *name)
{
	for (size_t i = 0; i < GRANT_FIELD_COUNT; i++) {
		if (strcmp(grant_fields[i].name, name) == 0)
			return &grant_fields[i];
	}
	return NULL;
}

const char *grant_field_near(const char *name, struct nearest_hint *hint)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	nearest_offer(&nearest, "name");
	for (size_t i = 0; i < GRANT_FIELD_COUNT; i++)
		nearest_offer(&nearest, grant_fields[i].name);
	return nearest_format(&nearest, hint);
}

/* ---- times ---- */

int grant_time_parse(const char *text, uint64_t *unix_ms)
{
	char whole[40];

	if (strlen(text) == strlen("2027-11-23")) {
		snprintf(whole, sizeof(whole), "%sT23:59:59Z", text);
		text = whole;
	}
	return relative_parse_time(text, unix_ms);
}

int grant_duration_parse(const char *text, int64_t *ms)
{
	char *end;
	unsigned long count = strtoul(text, &end, 10);
	int64_t unit_ms = strcmp(end, "y") == 0 ? 365 * DAY_MS : 7 * DAY_MS;

	if (strcmp(end, "y") != 0 && strcmp(end, "w") != 0)
		return config_parse_duration(text, ms);
	if (text[0] < '0' || text[0] > '9' || count > 100)
		return -1;
	*ms = (int64_t)count * unit_ms;
	return 0;
}

const char *grant_certificate_plain(const char *text, char out[GRANT_CERTIFICATE_SIZE])
{
	size_t size = 0;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at == ':' && size % 2 == 0 && at != text)
			continue;
		if (strchr("0123456789ABCDEFabcdef", *at) == NULL ||
			size == GRANT_CERTIFICATE_SIZE - 1)
			return text;
		out[size++] = *at < 'A' ? *at : (char)(*at | 0x20);
	}
	out[size] = '\0';
	return out;
}

/* ---- text to value ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_escape(const char *at)
{
	return at[0] == '\\' && (is_blank(at[1]) || at[1] == ';' || at[1] == '\\');
}

/* The next value of several, put in `out` with its NUL; false: there is none, or no memory. */
static bool next_value(const char **text, struct bytes *out)
{
	const char *at = *text;
	bool done = true;

	while (is_blank(*at) || *at == ';')
		at++;
	bytes_clear(out);
	if (*at == '\0')
		return false;
	for (; done && *at != '\0' && !is_blank(*at) && *at != ';'; at++) {
		at += is_escape(at);
		done = bytes_append(out, at, 1);
	}
	*text = at;
	return done && bytes_append(out, "", 1);
}

static json_t *parse_texts(const char *text)
{
	json_t *list = json_array();
	struct bytes value = {0};

	while (next_value(&text, &value)) {
		if (json_array_append_new(list, json_string((const char *)value.data)) == 0)
			continue;
		json_decref(list);
		list = NULL;
		break;
	}
	bytes_fini(&value);
	return list;
}

static json_t *parse_number(const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || number > UINT32_MAX)
		return NULL;
	return json_integer((json_int_t)number);
}

static json_t *parse_flag(const char *text)
{
	if (strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0)
		return json_true();
	if (strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0)
		return json_false();
	return NULL;
}

json_t *grant_field_parse(const struct grant_field *field, const char *text, struct reason *reason)
{
	static const char *const expected[] = {
		[GRANT_TEXT] = "a text in UTF-8",
		[GRANT_TEXTS] = "texts in UTF-8",
		[GRANT_NUMBER] = "a whole number",
		[GRANT_FLAG] = "yes or no",
		[GRANT_CHOICE] = "a word",
		[GRANT_TIME] = "a time",
	};
	json_t *value = NULL;

	if (text[0] == '\0')
		return json_null();
	switch (field->kind) {
	case GRANT_TEXT:
	case GRANT_CHOICE: /* the words, and what a time is, the relay knows */
	case GRANT_TIME:
		value = json_string(text);
		break;
	case GRANT_TEXTS:
		value = parse_texts(text);
		break;
	case GRANT_NUMBER:
		value = parse_number(text);
		break;
	case GRANT_FLAG:
		value = parse_flag(text);
		break;
	}
	if (value == NULL)
		reason_set(reason, "%s: \"%.100s\": expected %s", field->name, text,
			expected[field->kind]);
	return value;
}

/* ---- value to text ---- */

static bool append_value(struct bytes *out, const char *value)
{
	bool done = true;

	for (const char *at = value; done && *at != '\0'; at++) {
		bool is_special = is_blank(*at) || *at == ';' || is_escape(at) ||
				  (at[0] == '\\' && at[1] == '\0');

		if (is_special)
			done = bytes_append(out, "\\", 1);
		done = done && bytes_append(out, at, 1);
	}
	return done;
}

static bool format_texts(const json_t *list, struct bytes *out)
{
	bool done = true;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		done = done && bytes_append_text(out, i > 0 ? "; " : "") &&
		       append_value(out, text != NULL ? text : "");
	}
	return done;
}

bool grant_field_format(const struct grant_field *field, const json_t *value, struct bytes *out)
{
	if (field->kind == GRANT_TEXTS)
		return format_texts(value, out);
	if (json_is_boolean(value))
		return bytes_append_text(out, json_is_true(value) ? "yes" : "no");
	if (json_is_integer(value))
		return json_integer_value(value) == 0 ||
		       bytes_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return !json_is_string(value) || bytes_append_text(out, json_string_value(value));
}
