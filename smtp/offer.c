#include "smtp/offer.h"

#include <string.h>
#include <strings.h>

static uint64_t parse_number(const char *from, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && from[i] >= '0' && from[i] <= '9'; i++)
		value = value > UINT64_MAX / 10 - 1 ? UINT64_MAX
						    : value * 10 + (uint64_t)(from[i] - '0');
	return value;
}

static bool is_word(const char *line, size_t size, const char *word)
{
	size_t length = strlen(word);

	return size >= length && strncasecmp(line, word, length) == 0 &&
	       (size == length || line[length] == ' ');
}

static unsigned parse_limit(const char *from, size_t size)
{
	uint64_t value = parse_number(from, size);

	return value > 1000000 ? 1000000 : (unsigned)value;
}

/* "LIMITS RCPTMAX=20 MAILMAX=100" (RFC 9422). */
static void parse_limits(struct offer *offer, const char *line, size_t size)
{
	static const char rcpt[] = "RCPTMAX=", mail[] = "MAILMAX=";

	for (size_t at = 0; at + sizeof(rcpt) - 1 < size; at++) {
		const char *value = line + at + sizeof(rcpt) - 1;
		size_t rest = size - at - (sizeof(rcpt) - 1);

		if (line[at] == ' ' || at == 0 || line[at - 1] != ' ')
			continue;
		if (strncasecmp(line + at, rcpt, sizeof(rcpt) - 1) == 0)
			offer->recipients_max = parse_limit(value, rest);
		else if (strncasecmp(line + at, mail, sizeof(mail) - 1) == 0)
			offer->messages_max = parse_limit(value, rest);
	}
}

void offer_parse(struct offer *offer, const char *line, size_t size)
{
	while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n'))
		size--;
	if (is_word(line, size, "PIPELINING"))
		offer->pipelining = true;
	else if (is_word(line, size, "8BITMIME"))
		offer->eightbitmime = true;
	else if (is_word(line, size, "SMTPUTF8"))
		offer->smtputf8 = true;
	else if (is_word(line, size, "STARTTLS"))
		offer->starttls = true;
	else if (is_word(line, size, "LIMITS"))
		parse_limits(offer, line, size);
	else if (is_word(line, size, "SIZE")) {
		offer->size_said = true;
		offer->size_max_bytes = size > 5 ? parse_number(line + 5, size - 5) : 0;
	}
}
