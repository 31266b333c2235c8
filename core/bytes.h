/*
 * bytes.h: a growing run of bytes.
 *
 * Owner: embedded in its owner's struct; bytes_fini frees. Zero-initialised is empty and valid.
 * Errors: growing returns false without memory or over `limit`, and leaves what was there.
 */
#ifndef SLUICE_CORE_BYTES_H
#define SLUICE_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data;
	size_t size;
	size_t capacity;
};

bool bytes_reserve(struct bytes *bytes, size_t more) __attribute__((warn_unused_result));
bool bytes_append(struct bytes *bytes, const void *from, size_t size)
	__attribute__((warn_unused_result));
bool bytes_append_text(struct bytes *bytes, const char *text) __attribute__((warn_unused_result));
bool bytes_printf(struct bytes *bytes, const char *format, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/* Takes `size` bytes from the front away. */
void bytes_consume(struct bytes *bytes, size_t size);

/* Empty, memory kept. */
void bytes_clear(struct bytes *bytes);

/* Empty, memory kept where it is no more than `most` bytes. */
void bytes_clear_above(struct bytes *bytes, size_t most);

/* Empty, memory freed; may be used again. */
void bytes_fini(struct bytes *bytes);

#endif
