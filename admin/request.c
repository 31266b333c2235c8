#include "admin/request.h"

#include <stdlib.h>
#include <string.h>

#include "core/hex.h"

int request_decode(const char *text, size_t size, char *out, size_t out_size)
{
	size_t used = 0;

	for (size_t at = 0; at < size; at++) {
		char c = text[at];

		if (c == '%') {
			int high = size - at > 2 ? hex_value(text[at + 1]) : -1;
			int low = size - at > 2 ? hex_value(text[at + 2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
			at += 2;
		}
		if (c == '\0' || used + 1 >= out_size)
			return -1;
		out[used++] = c;
	}
	out[used] = '\0';
	return 0;
}

int request_add_parameter(struct request *request, const char *name, const char *value)
{
	struct request_parameter *parameter = &request->query[request->query_count];

	if (request->query_count == REQUEST_QUERY_MAX)
		return -1;
	if (request_decode(name, strlen(name), parameter->name, sizeof(parameter->name)) < 0)
		return -1;
	if (request_parameter(request, parameter->name) != NULL)
		return -1;
	if (value == NULL)
		value = "";
	if (request_decode(value, strlen(value), parameter->value, sizeof(parameter->value)) < 0)
		return -1;
	request->query_count++;
	return 0;
}

const char *request_parameter(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->query_count; i++) {
		if (strcmp(request->query[i].name, name) == 0)
			return request->query[i].value;
	}
	return NULL;
}

int request_limit(const struct request *request, size_t usual, size_t most, size_t *limit,
	struct reason *reason)
{
	const char *text = request_parameter(request, "limit");
	char *end;

	*limit = usual;
	if (text == NULL)
		return 0;
	*limit = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *limit >= 1 && *limit <= most)
		return 0;
	return reason_set(reason, "limit=%.100s: expected a number from 1 to %zu.", text, most);
}
