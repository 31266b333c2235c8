#include "smtp/response.h"

#include <stdint.h>
#include <string.h>

void response_init(struct response *response)
{
	response->code = 0;
	response->status[0] = '\0';
	response->text[0] = '\0';
	response->line_size = 0;
	response->bytes_size = 0;
	response->text_size = 0;
	response->finished = false;
	response->broken = false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char clean_byte(char c)
{
	return c >= ' ' && c <= '~' ? c : c == '\t' ? ' ' : '?';
}

char *response_clean(char *out, size_t size, const char *text)
{
	size_t length = 0;

	while (text[length] != '\0' && length + 1 < size) {
		out[length] = clean_byte(text[length]);
		length++;
	}
	out[length] = '\0';
	return out;
}

/* The size of the enhanced code that `words` begins with ("5.1.1", RFC 3463 2) and that fits the reply, or 0. */
static size_t status_size(char class, const char *words, size_t size)
{
	size_t at = 1;

	if (size < 5 || words[0] != class || class == '3')
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (at >= size || words[at] != '.')
			return 0;
		at++;
		while (at + digits < size && is_digit(words[at + digits]))
			digits++;
		if (digits < 1 || digits > 3)
			return 0;
		at += digits;
	}
	return at == size || words[at] == ' ' ? at : 0;
}

static void add_words(struct response *response, const char *words, size_t size)
{
	size_t status = status_size(response->text[0], words, size);

	if (status != 0 && response->status[0] == '\0') {
		memcpy(response->status, words, status);
		response->status[status] = '\0';
	} else if (status != 0 && strlen(response->status) == status &&
		   memcmp(response->status, words, status) == 0) {
		/* Each line repeats the code; once is enough in the text. */
		words += status < size ? status + 1 : status;
		size -= status < size ? status + 1 : status;
	}
	if (size > 0 && response->text_size + 1 < RESPONSE_TEXT_SIZE)
		response->text[response->text_size++] = ' ';
	for (size_t i = 0; i < size && response->text_size + 1 < RESPONSE_TEXT_SIZE; i++)
		response->text[response->text_size++] = clean_byte(words[i]);
	response->text[response->text_size] = '\0';
}

/* A whole line without its end; `response->line` has its first bytes, which is all that is kept anyway. */
static enum response_result take_line(struct response *response)
{
	const char *line = response->line;
	size_t size = response->line_size < sizeof(response->line) ? response->line_size
								   : sizeof(response->line);
	int code;

	if (response->line_size == size && size > 0 && line[size - 1] == '\r')
		size--;
	response->line_size = 0;
	if (size < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
		return RESPONSE_BAD;
	if (size > 3 && line[3] != ' ' && line[3] != '-')
		return RESPONSE_BAD;
	code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	if (response->code != 0 && response->code != code)
		return RESPONSE_BAD;
	if (response->code == 0) {
		response->code = code;
		memcpy(response->text, line, 3);
		response->text_size = 3;
		response->text[3] = '\0';
	}
	if (size > 4)
		add_words(response, line + 4, size - 4);
	return size > 3 && line[3] == '-' ? RESPONSE_MORE : RESPONSE_DONE;
}

/* Gathers bytes up to a line's end. Returns how many were taken; *ended tells whether the end was among them. */
static size_t take_bytes(struct response *response, const char *from, size_t size, bool *ended)
{
	const char *end = memchr(from, '\n', size);
	size_t part = end != NULL ? (size_t)(end - from) : size;

	if (response->line_size < sizeof(response->line)) {
		size_t room = sizeof(response->line) - response->line_size;

		memcpy(response->line + response->line_size, from, part < room ? part : room);
	}
	*ended = end != NULL;
	part += end != NULL;
	response->line_size += part - (end != NULL);
	response->bytes_size += part;
	return part;
}

enum response_result response_parse(
	struct response *response, const void *from, size_t size, size_t *taken)
{
	const char *bytes = from;
	enum response_result result = RESPONSE_MORE;

	*taken = 0;
	if (response->finished)
		response_init(response);
	while (result == RESPONSE_MORE && !response->broken && *taken < size) {
		bool ended;

		*taken += take_bytes(response, bytes + *taken, size - *taken, &ended);
		if (response->bytes_size > RESPONSE_BYTES_MAX)
			result = RESPONSE_BAD;
		else if (ended)
			result = take_line(response);
		response->broken = result == RESPONSE_BAD;
	}
	response->finished = result == RESPONSE_DONE;
	return response->broken ? RESPONSE_BAD : result;
}

const char *response_words(const struct response *response)
{
	return response->text_size > 4 ? response->text + 4 : "";
}
