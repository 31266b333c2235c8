#include "smtp/verb_path.h"

#include <string.h>

#include "core/ascii.h"
#include "smtp/path_lenient.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

const char *verb_path_begin(
	struct session *session, const struct command *command, const char *word)
{
	const char *at = command->argument, *end = at + command->argument_size, *colon;
	size_t size = strlen(word);
	bool has_word = ascii_begins(at, command->argument_size, word);

	if (has_word && at + size < end && at[size] == ':') {
		colon = at + size;
	} else if (!session->policy->lenient) {
		return NULL;
	} else {
		/* "FROM <a@b>", "FROM :<a@b>", "<a@b>", but "from@b" is an address */
		if (has_word && at + size < end && (is_blank(at[size]) || at[size] == '<'))
			at += size;
		colon = skip_blanks(at, end);
		if (colon == end || *colon != ':') {
			session_quirk(
				session, QUIRK_NO_COLON, command->argument, command->argument_size);
			return colon;
		}
	}
	if (session->policy->lenient &&
		(colon != command->argument + size || (colon + 1 < end && is_blank(colon[1]))))
		session_quirk(session, QUIRK_SPACE_AFTER_COLON, command->argument,
			command->argument_size);
	return session->policy->lenient ? skip_blanks(colon + 1, end) : colon + 1;
}

enum path_fault verb_path_read(struct session *session, enum path_kind kind, bool utf8,
	const char *at, const char *end, struct path *out, size_t *taken)
{
	const struct path_lenient rules = {.domain = session->domain, .utf8 = utf8};
	size_t size = (size_t)(end - at);
	struct quirk_set quirks = {{0, 0}};
	enum path_fault fault;

	if (!session->policy->lenient)
		return (utf8 ? path_parse_utf8 : path_parse)(at, size, kind, out, taken);
	fault = path_lenient_parse(&rules, kind, at, size, out, taken, &quirks);
	for (unsigned quirk = 0; (quirk = quirk_set_next(&quirks, quirk)) != 0;)
		session_quirk(session, (enum quirk)quirk, at, size);
	return fault;
}

/* Over a word that nobody knows. */
static const char *pass_over(struct session *session, const char *at, const char *end)
{
	const char *word = skip_blanks(at, end);

	for (at = word; at < end && !is_blank(*at);)
		at++;
	if (at > word)
		session_quirk(session, QUIRK_UNKNOWN_PARAMETERS, word, (size_t)(at - word));
	return at;
}

const char *verb_path_parameters(struct session *session, const char *at, const char *end,
	verb_parameter_fn *take, void *context, const char *usage)
{
	struct path_parameter parameter;
	const char *refusal;

	while (at < end) {
		const char *before = at;
		int rc = path_parameter_next(&at, end, &parameter);

		if (rc == 0)
			break;
		refusal = rc < 0 ? usage : take(&parameter, context);
		if (refusal == NULL)
			continue;
		if (!session->policy->lenient)
			return refusal;
		at = pass_over(session, before, end);
	}
	return NULL;
}
