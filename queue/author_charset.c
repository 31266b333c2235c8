#include "queue/author_charset.h"

#include <stdint.h>

#include "core/ascii.h"

#define ESCAPE    0x1b
#define SHIFT_OUT 0x0e
#define SHIFT_IN  0x0f

/* How its bytes are read; all but PLAIN and HIDDEN have characters of two bytes. */
enum form { FORM_PLAIN, FORM_HIDDEN, FORM_EUC, FORM_SHIFT_JIS, FORM_BIG5, FORM_ISO_2022, FORM_HZ };

static const struct row {
	const char *begin; /* of the name */
	enum form form;
} rows[] = {
	{"utf-8", FORM_PLAIN},
	{"utf8", FORM_PLAIN},
	{"us-ascii", FORM_PLAIN},
	{"ascii", FORM_PLAIN},
	{"iso-8859", FORM_PLAIN},
	{"iso8859", FORM_PLAIN},
	{"iso_8859", FORM_PLAIN},
	{"latin", FORM_PLAIN},
	{"windows-125", FORM_PLAIN},
	{"windows-874", FORM_PLAIN},
	{"cp125", FORM_PLAIN},
	{"cp437", FORM_PLAIN},
	{"cp85", FORM_PLAIN},
	{"cp866", FORM_PLAIN},
	{"ibm437", FORM_PLAIN},
	{"ibm85", FORM_PLAIN},
	{"ibm866", FORM_PLAIN},
	{"koi8", FORM_PLAIN},
	{"tis-620", FORM_PLAIN},
	{"macintosh", FORM_PLAIN},
	{"unknown", FORM_PLAIN},
	{"euc", FORM_EUC},
	{"gb", FORM_EUC},
	{"ks_c", FORM_EUC},
	{"cp936", FORM_EUC},
	{"cp949", FORM_EUC},
	{"windows-936", FORM_EUC},
	{"windows-949", FORM_EUC},
	{"shift", FORM_SHIFT_JIS},
	{"sjis", FORM_SHIFT_JIS},
	{"x-sjis", FORM_SHIFT_JIS},
	{"windows-31j", FORM_SHIFT_JIS},
	{"cp932", FORM_SHIFT_JIS},
	{"big5", FORM_BIG5},
	{"cp950", FORM_BIG5},
	{"iso-2022", FORM_ISO_2022},
	{"iso2022", FORM_ISO_2022},
	{"hz", FORM_HZ},
};

static enum form find_form(const char *charset, size_t size)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ascii_begins(charset, size, rows[i].begin))
			return rows[i].form;
	return FORM_HIDDEN;
}

/* No charset makes an address of these. */
static bool is_harmless(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!ascii_is_alnum((char)text[i]) && text[i] != ' ')
			return false;
	return true;
}

/* ---- characters of two bytes; what is not like ASCII is a blank ---- */

/* JIS X 0208, GB 2312, KS X 1001: rows 1 and 3, without the eighth bit. */
static char read_pair(uint8_t row, uint8_t column)
{
	if (row == 0x23)
		return (char)column;
	if (row != 0x21)
		return ' ';
	return column == 0x77                     ? '@'
	       : column == 0x25 || column == 0x23 ? '.'
	       : column == 0x5d || column == 0x3e ? '-'
						  : ' ';
}

static char read_shift_jis(uint8_t first, uint8_t second)
{
	if (first == 0x81)
		return second == 0x97 ? '@' : second == 0x44 || second == 0x42 ? '.' : ' ';
	if (first != 0x82)
		return ' ';
	if (second >= 0x4f && second <= 0x58)
		return (char)('0' + second - 0x4f);
	if (second >= 0x60 && second <= 0x79)
		return (char)('a' + second - 0x60);
	return second >= 0x81 && second <= 0x9a ? (char)('a' + second - 0x81) : ' ';
}

static char read_big5(uint8_t first, uint8_t second)
{
	if (first == 0xa1)
		return second == 0x44 || second == 0x43 ? '.' : ' ';
	if (first == 0xa2 && second == 0x49)
		return '@';
	if (first == 0xa2 && second >= 0xcf && second <= 0xe8)
		return (char)('a' + second - 0xcf);
	if (first == 0xa2 && second >= 0xe9 && second <= 0xfe)
		return (char)('a' + second - 0xe9);
	return first == 0xa3 && second >= 0x40 && second <= 0x43 ? (char)('w' + second - 0x40)
								 : ' ';
}

/* ---- the text ---- */

struct reading {
	const uint8_t *at, *end;
	enum form form;
	bool is_double; /* switched to characters of two bytes */
};

/* ISO 2022: "ESC ( B" and its like. */
static void skip_escape(struct reading *reading)
{
	const uint8_t *set = ++reading->at;

	while (reading->at < reading->end && *reading->at >= 0x20 && *reading->at < 0x30)
		reading->at++;
	if (set < reading->at)
		reading->is_double = *set == '$';
	reading->at += reading->at < reading->end;
}

/* True: there was one, and it is passed over. */
static bool skip_switch(struct reading *reading)
{
	const uint8_t *at = reading->at;

	if (reading->form == FORM_ISO_2022 && *at == ESCAPE) {
		skip_escape(reading);
		return true;
	}
	if (reading->form == FORM_ISO_2022 && (*at == SHIFT_OUT || *at == SHIFT_IN)) {
		reading->is_double = *at == SHIFT_OUT;
		reading->at++;
		return true;
	}
	if (reading->form != FORM_HZ || *at != '~' || reading->end - at < 2)
		return false;
	if (at[1] != '{' && at[1] != '}' && at[1] != '\n')
		return false;
	reading->is_double = at[1] == '{';
	reading->at += 2;
	return true;
}

static bool begins_pair(const struct reading *reading)
{
	uint8_t first = *reading->at;

	if (reading->end - reading->at < 2)
		return false;
	if (reading->form == FORM_SHIFT_JIS && first >= 0xa0 && first < 0xe0)
		return false;
	return reading->is_double ? first > ' ' : first > 0x80;
}

static char read_character(struct reading *reading)
{
	const uint8_t *at = reading->at;

	if (!begins_pair(reading)) {
		reading->at++;
		return (*at & 0x80) != 0 ? ' ' : (char)*at;
	}
	reading->at += 2;
	if (reading->form == FORM_SHIFT_JIS)
		return read_shift_jis(at[0], at[1]);
	if (reading->form == FORM_BIG5)
		return read_big5(at[0], at[1]);
	return read_pair(at[0] & 0x7f, at[1] & 0x7f);
}

bool author_charset_read(const char *charset, size_t charset_size, const void *text, size_t size,
	struct bytes *out, bool *is_hidden)
{
	const uint8_t *from = text;
	struct reading reading = {.at = from, .form = find_form(charset, charset_size)};

	if (size == 0)
		return true;
	if (reading.form == FORM_HIDDEN && !is_harmless(from, size))
		*is_hidden = true;
	if (reading.form == FORM_PLAIN || reading.form == FORM_HIDDEN)
		return bytes_append(out, text, size);
	for (reading.end = from + size; reading.at < reading.end;) {
		char c;

		if (skip_switch(&reading))
			continue;
		c = read_character(&reading);
		if (!bytes_append(out, &c, 1))
			return false;
	}
	return true;
}
