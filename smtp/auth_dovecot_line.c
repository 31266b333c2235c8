#include "smtp/auth_dovecot_line.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 1024 /* NUL, account, NUL, password */

struct field {
	const char *text;
	size_t size;
};

/* Takes the next field off the line. False: there is none. */
static bool next_field(struct field *rest, struct field *field)
{
	const char *tab;

	if (rest->text == NULL)
		return false;
	tab = memchr(rest->text, '\t', rest->size);
	field->text = rest->text;
	field->size = tab != NULL ? (size_t)(tab - rest->text) : rest->size;
	rest->text = tab != NULL ? tab + 1 : NULL;
	rest->size -= tab != NULL ? field->size + 1 : field->size;
	return true;
}

static bool is(const struct field *field, const char *text)
{
	return field->size == strlen(text) && memcmp(field->text, text, field->size) == 0;
}

static bool begins(const struct field *field, const char *text)
{
	return field->size >= strlen(text) && memcmp(field->text, text, strlen(text)) == 0;
}

static bool read_number(const struct field *field, uint32_t *out)
{
	uint64_t value = 0;

	if (field->size == 0 || field->size > 10)
		return false;
	for (size_t i = 0; i < field->size; i++) {
		if (field->text[i] < '0' || field->text[i] > '9')
			return false;
		value = 10 * value + (uint64_t)(field->text[i] - '0');
	}
	*out = (uint32_t)value;
	return value <= UINT32_MAX;
}

static char unescape(char letter)
{
	switch (letter) {
	case '0':
		return ' '; /* a NUL; nobody needs it here */
	case '1':
		return '\001';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	default:
		return letter;
	}
}

static void add_why(struct dovecot_line *line, const struct field *field, size_t from)
{
	size_t at = strlen(line->why);

	if (at > 0 && at < sizeof(line->why) - 1)
		line->why[at++] = ' ';
	for (size_t i = from; i < field->size && at < sizeof(line->why) - 1; i++) {
		char letter = field->text[i];

		if (letter == '\001' && i + 1 < field->size)
			letter = unescape(field->text[++i]);
		line->why[at++] = letter != '\0' ? letter : ' ';
	}
	line->why[at] = '\0';
}

static void read_refusal(struct dovecot_line *line, struct field *rest)
{
	struct field field;

	while (next_field(rest, &field)) {
		if (is(&field, "temp") || is(&field, "code=temp_fail"))
			line->temporary = true;
		if (begins(&field, "code="))
			add_why(line, &field, strlen("code="));
		else if (begins(&field, "reason="))
			add_why(line, &field, strlen("reason="));
	}
}

static void read_success(struct dovecot_line *line, struct field *rest)
{
	bool no_login = false, proxy = false;
	struct field field;

	while (next_field(rest, &field)) {
		no_login = no_login || is(&field, "nologin") || begins(&field, "nologin=");
		proxy = proxy || is(&field, "proxy") || begins(&field, "proxy=");
	}
	line->refused = no_login && !proxy;
}

static enum dovecot_verb verb_of(const struct field *field)
{
	static const char *const names[] = {
		[DOVECOT_VERSION] = "VERSION",
		[DOVECOT_MECH] = "MECH",
		[DOVECOT_DONE] = "DONE",
		[DOVECOT_OK] = "OK",
		[DOVECOT_FAIL] = "FAIL",
		[DOVECOT_CONT] = "CONT",
	};

	for (unsigned verb = 0; verb < sizeof(names) / sizeof(*names); verb++)
		if (is(field, names[verb]))
			return (enum dovecot_verb)verb;
	return DOVECOT_OTHER;
}

void dovecot_line_read(const char *line, size_t size, struct dovecot_line *out)
{
	struct field rest = {line, size}, field;

	*out = (struct dovecot_line){.verb = DOVECOT_OTHER};
	if (!next_field(&rest, &field))
		return;
	out->verb = verb_of(&field);
	if (out->verb == DOVECOT_OTHER || out->verb == DOVECOT_DONE)
		return;
	if (!next_field(&rest, &field)) {
		out->verb = DOVECOT_BAD;
		return;
	}
	if (out->verb == DOVECOT_MECH) {
		out->plain = is(&field, "PLAIN");
		return;
	}
	if (!read_number(&field, &out->number))
		out->verb = DOVECOT_BAD;
	else if (out->verb == DOVECOT_FAIL)
		read_refusal(out, &rest);
	else if (out->verb == DOVECOT_OK)
		read_success(out, &rest);
}

size_t dovecot_line_write_auth(char out[DOVECOT_AUTH_MAX], uint32_t number, const char *account,
	const char *password, const char *peer)
{
	uint8_t message[MESSAGE_MAX];
	char response[4 * ((MESSAGE_MAX + 2) / 3) + 1];
	int size = snprintf((char *)message, sizeof(message), "%c%s%c%s", 0, account, 0, password);

	if (size >= MESSAGE_MAX)
		size = MESSAGE_MAX - 1; /* what a session sends is shorter */
	EVP_EncodeBlock((uint8_t *)response, message, size);
	/*
	 * The password came the way that the listener demands: inside of TLS, or with a grant for it. Who guesses is auth_guard's
	 * affair: Dovecot's penalty would hold the right ones of the same address too.
	 */
	size = snprintf(out, DOVECOT_AUTH_MAX,
		"AUTH\t%" PRIu32
		"\tPLAIN\tservice=smtp\tnologin\tno-penalty\trip=%s\tsecured\tresp=%s\n",
		number, peer, response);
	explicit_bzero(message, sizeof(message));
	explicit_bzero(response, sizeof(response));
	return (size_t)size;
}
