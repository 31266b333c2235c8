#include "queue/mime_measure.h"

#include <string.h>

#include "core/utf8.h"
#include "queue/mime.h"

#define LINE_ROOM (MIME_LINE_BYTES + 2) /* with CRLF */

/* The line around `what`, of the `size` bytes that are there. */
static void take_sample(
	struct mime_sample *sample, const char *bytes, size_t size, const char *what)
{
	const char *from = what, *end = bytes + size, *line_end;

	while (from > bytes && from[-1] != '\n' && what - from < MIME_SAMPLE_BYTES / 2)
		from--;
	if (end - from > MIME_SAMPLE_BYTES)
		end = from + MIME_SAMPLE_BYTES;
	line_end = memchr(from, '\n', (size_t)(end - from));
	if (line_end != NULL)
		end = line_end;
	sample->size = (uint8_t)(end - from);
	memcpy(sample->text, from, sample->size);
}

/*
 * The last line end within the room of one line shows that all lines up to it are short: so only some bytes of each 1,000
 * are looked at.
 */
static void measure_lines(struct mime_measure *measure, const char *at, size_t size)
{
	const char *line = at; /* as much of it as is here */

	while (size > 0) {
		bool is_long = measure->line_bytes >= LINE_ROOM;
		size_t room = is_long ? size : LINE_ROOM - measure->line_bytes;
		size_t window = room < size ? room : size;
		const char *lf = is_long ? memchr(at, '\n', window) : memrchr(at, '\n', window);

		if (lf != NULL) {
			measure->line_bytes = 0;
			size -= (size_t)(lf + 1 - at);
			line = at = lf + 1;
			continue;
		}
		if (!is_long)
			measure->line_bytes += window;
		if (measure->line_bytes >= LINE_ROOM && !measure->has_long_line) {
			measure->has_long_line = true;
			take_sample(&measure->long_line, line, (size_t)(at + size - line), line);
		}
		at += window;
		size -= window;
	}
}

/* What must follow a first byte: RFC 3629 4. */
static bool begin_utf8(struct mime_measure *measure, uint8_t byte)
{
	measure->utf8_low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	measure->utf8_high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	if (byte >= 0xc2 && byte <= 0xdf)
		measure->utf8_more = 1;
	else if (byte >= 0xe0 && byte <= 0xef)
		measure->utf8_more = 2;
	else if (byte >= 0xf0 && byte <= 0xf4)
		measure->utf8_more = 3;
	return measure->utf8_more > 0;
}

static void measure_eightbit(struct mime_measure *measure, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && measure->eightbit.size == 0; i++)
		if ((uint8_t)bytes[i] > 127)
			take_sample(&measure->eightbit, bytes, size, bytes + i);
	for (size_t i = 0; i < size; i++)
		measure->eightbit_bytes += (uint8_t)bytes[i] >> 7;
	for (size_t i = 0; i < size && !measure->is_not_utf8; i++) {
		uint8_t byte = (uint8_t)bytes[i];

		if (measure->utf8_more == 0) {
			measure->is_not_utf8 = byte > 127 && !begin_utf8(measure, byte);
			continue;
		}
		measure->is_not_utf8 = byte < measure->utf8_low || byte > measure->utf8_high;
		measure->utf8_low = 0x80;
		measure->utf8_high = 0xbf;
		measure->utf8_more--;
	}
}

void mime_measure_take(struct mime_measure *measure, const char *bytes, size_t size)
{
	const char *nul;

	measure_lines(measure, bytes, size);
	if (measure->utf8_more > 0 || utf8_has_eightbit(bytes, size))
		measure_eightbit(measure, bytes, size);
	if (!measure->has_nul && (nul = memchr(bytes, '\0', size)) != NULL) {
		measure->has_nul = true;
		take_sample(&measure->nul, bytes, size, nul);
	}
}

void mime_measure_end(struct mime_measure *measure)
{
	if (measure->line_bytes > MIME_LINE_BYTES)
		measure->has_long_line = true;
	if (measure->utf8_more > 0)
		measure->is_not_utf8 = true;
}
