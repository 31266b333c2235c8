#include "admin/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT_SIZE 1024

void answer_begin_json(struct answer *answer, unsigned status, struct json *json)
{
	answer->status = status;
	answer->content_type = "application/json";
	bytes_clear(&answer->body);
	json_begin(json, &answer->body);
}

void answer_end_json(struct answer *answer, struct json *json)
{
	if (json_end(json))
		return;
	/* Nothing more can be allocated: an answer without a body still tells. */
	answer->status = 503;
	bytes_fini(&answer->body);
}

void answer_error(struct answer *answer, unsigned status, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	struct json json;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	answer_begin_json(answer, status, &json);
	json_open_object(&json, NULL);
	json_write_text(&json, "error", text);
	json_close(&json);
	answer_end_json(answer, &json);
}

void answer_store_error(struct answer *answer, int error)
{
	answer_error(answer, 503, "The store cannot be read now: %s. See the relay's log.",
		strerror(-error));
}

void answer_fini(struct answer *answer)
{
	bytes_fini(&answer->body);
	envelope_close(&answer->content);
}
