/*
 * mime_measure.h: what is in a text that streams by: 8-bit bytes, NULs, long lines, whether it is UTF-8. Part of the MIME reader (mime_parts.h).
 *
 * Threads: the owner's. Zero-initialised is empty and valid.
 */
#ifndef SLUICE_QUEUE_MIME_MEASURE_H
#define SLUICE_QUEUE_MIME_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIME_SAMPLE_BYTES 120

/* Of the first line that has it: the beginning, or from somewhat before it on; cut where the bytes given were. */
struct mime_sample {
	uint8_t size;
	char text[MIME_SAMPLE_BYTES];
};

struct mime_measure {
	uint64_t eightbit_bytes;
	bool has_nul;
	bool has_long_line;
	bool is_not_utf8;
	/* where it stands */
	size_t line_bytes; /* of the last line so far, its line end included; no more than matter */
	uint8_t utf8_more; /* bytes that must follow */
	uint8_t utf8_low, utf8_high; /* what the next of them must be between */
	struct mime_sample eightbit, nul, long_line;
};

void mime_measure_take(struct mime_measure *measure, const char *bytes, size_t size);
/* The text is over: its last line may have no end. */
void mime_measure_end(struct mime_measure *measure);

#endif
