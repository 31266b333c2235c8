#include "admin/printable.h"

#include <inttypes.h>
#include <string.h>

#include "core/utf8.h"

bool printable_append(struct bytes *out, const char *text)
{
	size_t size = strlen(text);

	for (size_t at = 0; at < size;) {
		uint32_t code = 0;
		size_t length = utf8_next(text + at, size - at, &code);
		bool done;

		if (length == 0)
			done = bytes_printf(out, "\\x%02x", (unsigned)(uint8_t)text[at]);
		else if (!utf8_is_control(code))
			done = bytes_append(out, text + at, length);
		else if (code < 0x80)
			done = bytes_printf(out, "\\x%02x", (unsigned)code);
		else
			done = bytes_printf(out, "\\u{%04x}", (unsigned)code);
		if (!done)
			return false;
		at += length ? length : 1;
	}
	return true;
}

size_t printable_width(const char *text)
{
	size_t columns = 0;

	for (; *text != '\0'; text++)
		columns += ((uint8_t)*text & 0xc0) != 0x80;
	return columns;
}

size_t printable_cut(const char *text, size_t columns)
{
	size_t at = 0;

	for (; text[at] != '\0'; at++) {
		if (((uint8_t)text[at] & 0xc0) == 0x80)
			continue;
		if (columns-- == 0)
			break;
	}
	return at;
}

void printable_print(FILE *to, const char *text)
{
	struct bytes safe = {0};

	if (text != NULL && printable_append(&safe, text) && safe.size > 0)
		fwrite(safe.data, 1, safe.size, to);
	bytes_fini(&safe);
}

char *printable_number(uint64_t number, char *out)
{
	char digits[24];
	size_t size = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *to = out;

	for (size_t i = 0; i < size; i++) {
		if (i > 0 && (size - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

char *printable_size(uint64_t bytes, char *out)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
	double amount = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, PRINTABLE_NUMBER_SIZE, "%" PRIu64 " B", bytes);
		return out;
	}
	for (amount /= 1024; amount >= 1023.95 && unit < 5; amount /= 1024)
		unit++;
	snprintf(out, PRINTABLE_NUMBER_SIZE, amount < 99.95 ? "%.1f %s" : "%.0f %s", amount,
		units[unit]);
	return out;
}
