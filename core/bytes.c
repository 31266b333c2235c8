#include "core/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t capacity = bytes->capacity ? bytes->capacity : 256;
	uint8_t *grown;

	if (more > SIZE_MAX / 4 - bytes->size)
		return false;
	if (bytes->size + more <= bytes->capacity)
		return true;
	while (capacity < bytes->size + more)
		capacity *= 2;
	grown = realloc(bytes->data, capacity);
	if (grown == NULL)
		return false;
	bytes->data = grown;
	bytes->capacity = capacity;
	return true;
}

bool bytes_append(struct bytes *bytes, const void *from, size_t size)
{
	if (size == 0)
		return true;
	if (!bytes_reserve(bytes, size))
		return false;
	memcpy(bytes->data + bytes->size, from, size);
	bytes->size += size;
	return true;
}

bool bytes_append_text(struct bytes *bytes, const char *text)
{
	return bytes_append(bytes, text, strlen(text));
}

bool bytes_printf(struct bytes *bytes, const char *format, ...)
{
	va_list args, again;
	int size;
	bool done = false;

	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	if (size >= 0 && bytes_reserve(bytes, (size_t)size + 1)) {
		vsnprintf((char *)bytes->data + bytes->size, (size_t)size + 1, format, again);
		bytes->size += (size_t)size;
		done = true;
	}
	va_end(again);
	va_end(args);
	return done;
}

void bytes_consume(struct bytes *bytes, size_t size)
{
	if (size >= bytes->size) {
		bytes->size = 0;
		return;
	}
	memmove(bytes->data, bytes->data + size, bytes->size - size);
	bytes->size -= size;
}

void bytes_clear(struct bytes *bytes)
{
	bytes->size = 0;
}

void bytes_clear_above(struct bytes *bytes, size_t most)
{
	if (bytes->capacity > most)
		bytes_fini(bytes);
	bytes_clear(bytes);
}

void bytes_fini(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}
