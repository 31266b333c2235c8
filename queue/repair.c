#include "queue/repair.h"

#include <openssl/evp.h>
#include <string.h>

#define BASE64_BYTES  57 /* make a line of 76 */
#define MIME_LINE_MAX 76 /* RFC 2045 6.7, 6.8 */

/* What is taken from and written to in one run. */
struct flow {
	const uint8_t *from, *from_end;
	uint8_t *to;
	const uint8_t *to_end;
};

static void put(struct flow *flow, const void *bytes, size_t size)
{
	memcpy(flow->to, bytes, size);
	flow->to += size;
}

static size_t least(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* ---- which edit is in hand ---- */

int repair_init(
	struct repair *repair, const void *encoded, size_t size, uint64_t text_bytes, bool sevenbit)
{
	*repair = (struct repair){
		.without = sevenbit ? PLAN_EIGHTBIT : PLAN_SEVENBIT,
		.text_bytes = text_bytes,
	};
	return plan_decode(encoded, size, text_bytes, &repair->plan);
}

void repair_fini(struct repair *repair)
{
	plan_fini(&repair->plan);
}

/* The next edit of our way, or NULL. */
static const struct plan_edit *next_edit(struct repair *repair)
{
	while (repair->next < repair->plan.count &&
		repair->plan.edits[repair->next].when == repair->without)
		repair->next++;
	return repair->next < repair->plan.count ? &repair->plan.edits[repair->next] : NULL;
}

static void begin_edit(struct repair *repair, const struct plan_edit *edit)
{
	repair->in_edit = true;
	repair->left = edit->size;
	repair->put = repair->column = repair->held_size = 0;
	repair->cutting = false;
}

static void end_edit(struct repair *repair)
{
	repair->in_edit = false;
	repair->next++;
}

static void take(struct repair *repair, struct flow *flow, size_t size)
{
	flow->from += size;
	repair->position += size;
	repair->left -= size;
}

/* What is there of the range. */
static size_t available(const struct repair *repair, const struct flow *flow)
{
	return least(repair->left, (size_t)(flow->from_end - flow->from));
}

/* ---- between edits ---- */

/* False: nothing is there to copy. */
static bool copy(struct repair *repair, struct flow *flow, const struct plan_edit *edit)
{
	uint64_t end = edit != NULL ? edit->at : repair->text_bytes;
	size_t size = least(end - repair->position, (size_t)(flow->from_end - flow->from));

	size = least(size, (size_t)(flow->to_end - flow->to));
	if (size == 0)
		return false;
	put(flow, flow->from, size);
	flow->from += size;
	repair->position += size;
	return true;
}

/* ---- acts: false when more of the text is needed ---- */

static bool replace(struct repair *repair, struct flow *flow, const struct plan_edit *edit)
{
	size_t size = least(edit->text_size - repair->put, (size_t)(flow->to_end - flow->to));

	if (size > 0)
		put(flow, repair->plan.text.data + edit->text_at + repair->put, size);
	repair->put += size;
	take(repair, flow, available(repair, flow));
	if (repair->put < edit->text_size)
		return true;
	if (repair->left > 0)
		return false;
	end_edit(repair);
	return true;
}

static bool strip(struct repair *repair, struct flow *flow)
{
	size_t size = least(available(repair, flow), (size_t)(flow->to_end - flow->to));
	const uint8_t *nul;

	if (repair->left == 0) {
		end_edit(repair);
		return true;
	}
	if (size == 0)
		return false;
	nul = memchr(flow->from, '\0', size);
	if (nul != NULL)
		size = (size_t)(nul - flow->from);
	put(flow, flow->from, size);
	take(repair, flow, size + (nul != NULL));
	return true;
}

static void put_base64(struct flow *flow, const uint8_t *bytes, size_t size)
{
	/* It writes a NUL behind, which the CRLF takes the place of. */
	flow->to += EVP_EncodeBlock(flow->to, bytes, (int)size);
	put(flow, "\r\n", 2);
}

static bool encode_base64(struct repair *repair, struct flow *flow)
{
	size_t there = available(repair, flow), size;

	if (repair->held_size == 0 && there >= BASE64_BYTES) {
		put_base64(flow, flow->from, BASE64_BYTES);
		take(repair, flow, BASE64_BYTES);
		return true;
	}
	size = least(there, BASE64_BYTES - repair->held_size);
	if (size > 0)
		memcpy(repair->held + repair->held_size, flow->from, size);
	repair->held_size += size;
	take(repair, flow, size);
	if (repair->left > 0 && repair->held_size < BASE64_BYTES)
		return false;
	if (repair->held_size > 0)
		put_base64(flow, repair->held, repair->held_size);
	repair->held_size = 0;
	if (repair->left == 0)
		end_edit(repair);
	return true;
}

/* ---- acts on lines ---- */

static size_t without_nuls(uint8_t *bytes, size_t size)
{
	const uint8_t *at = memchr(bytes, '\0', size), *end = bytes + size;
	uint8_t *to = bytes + (at != NULL ? (size_t)(at - bytes) : size);

	for (; at != NULL && at < end; at++)
		if (*at != '\0')
			*to++ = *at;
	return (size_t)(to - bytes);
}

static bool holds_line(const struct repair *repair)
{
	return repair->held_size > 0 && repair->held[repair->held_size - 1] == '\n';
}

/* Takes up to the end of a line, of the range, or of what can be held. True: one of these is reached. */
static bool gather(struct repair *repair, struct flow *flow)
{
	size_t there = available(repair, flow);

	while (there > 0 && repair->held_size < REPAIR_HELD_MAX && !holds_line(repair)) {
		uint8_t *to = repair->held + repair->held_size;
		size_t size = least(there, REPAIR_HELD_MAX - repair->held_size);
		const uint8_t *end = memchr(flow->from, '\n', size);

		if (end != NULL)
			size = (size_t)(end + 1 - flow->from);
		memcpy(to, flow->from, size);
		repair->held_size += without_nuls(to, size);
		take(repair, flow, size);
		there -= size;
	}
	return repair->left == 0 || repair->held_size == REPAIR_HELD_MAX || holds_line(repair);
}

static void drop_held(struct repair *repair, size_t size)
{
	repair->held_size -= size;
	memmove(repair->held, repair->held + size, repair->held_size);
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/* The held line without its end. A CR whose LF has not come yet counts as an end. */
static size_t content_size(const struct repair *repair)
{
	size_t size = repair->held_size;

	if (holds_line(repair))
		size--;
	if (size > 0 && repair->held[size - 1] == '\r' && (holds_line(repair) || repair->left > 0))
		size--;
	return size;
}

/* Before the last blank with a word on either side; 0: none. */
static size_t find_blank(const uint8_t *line, size_t size)
{
	size_t first = 0;

	while (first < size && is_blank(line[first]))
		first++;
	for (size_t at = REPAIR_LINE_MAX; at > first; at--)
		if (at + 1 < size && is_blank(line[at]) && !is_blank(line[at + 1]))
			return at;
	return 0;
}

/*
 * Where there is no such blank: before the last byte of a word, so that blanks that end the line do not stand alone on the
 * next, and never within a character. At least half a line, so that it comes to an end.
 */
static size_t find_byte(const uint8_t *line)
{
	size_t at = REPAIR_LINE_MAX, back = 0;

	while (at > REPAIR_LINE_MAX / 2 && is_blank(line[at]))
		at--;
	if (at == REPAIR_LINE_MAX / 2)
		at = REPAIR_LINE_MAX;
	while (back < 3 && (line[at - back] & 0xc0) == 0x80)
		back++;
	return at - back;
}

static void fold(struct repair *repair, struct flow *flow, size_t size)
{
	size_t at = find_blank(repair->held, size);
	bool at_blank = at > 0;

	if (!at_blank)
		at = find_byte(repair->held);
	put(flow, repair->held, at);
	put(flow, "\r\n", 2);
	if (!at_blank)
		repair->held[--at] = ' ';
	drop_held(repair, at);
}

static void cut_base64(struct repair *repair, struct flow *flow)
{
	put(flow, repair->held, MIME_LINE_MAX);
	put(flow, "\r\n", 2);
	drop_held(repair, MIME_LINE_MAX);
}

static void put_escape(struct flow *flow, uint8_t byte)
{
	static const char digits[] = "0123456789ABCDEF";

	*flow->to++ = '=';
	*flow->to++ = (uint8_t)digits[byte >> 4];
	*flow->to++ = (uint8_t)digits[byte & 15];
}

/* Of a byte that is quoted-printable already, but for 8-bit ones. */
static size_t quoted_width(uint8_t byte)
{
	return byte > 127 ? 3 : 1;
}

/* As wide as all of them, or just over `limit`. */
static size_t quoted_size(const uint8_t *bytes, size_t size, size_t limit)
{
	size_t width = 0;

	for (size_t i = 0; i < size && width <= limit; i++)
		width += quoted_width(bytes[i]);
	return width;
}

static void put_held(struct repair *repair, struct flow *flow, size_t size, enum plan_act act)
{
	if (act != PLAN_CUT_QUOTED) {
		put(flow, repair->held, size);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		if (repair->held[i] > 127)
			put_escape(flow, repair->held[i]);
		else
			*flow->to++ = repair->held[i];
	}
}

static void cut_quoted(struct repair *repair, struct flow *flow)
{
	size_t at = 0, column = 0;

	while (column + quoted_width(repair->held[at]) < MIME_LINE_MAX)
		column += quoted_width(repair->held[at++]);
	if (repair->held[at - 1] == '=')
		at -= 1;
	else if (repair->held[at - 2] == '=')
		at -= 2;
	put_held(repair, flow, at, PLAN_CUT_QUOTED);
	put(flow, "=\r\n", 3);
	drop_held(repair, at);
}

/* FOLD and the two CUTs. */
static bool break_lines(struct repair *repair, struct flow *flow, enum plan_act act)
{
	bool gathered = gather(repair, flow), ends = holds_line(repair) || repair->left == 0;
	size_t limit = repair->cutting && act != PLAN_FOLD ? MIME_LINE_MAX : REPAIR_LINE_MAX, size;

	if (!gathered)
		return false;
	size = content_size(repair);
	if (act == PLAN_CUT_QUOTED ? quoted_size(repair->held, size, limit) > limit
				   : size > limit) {
		repair->cutting = true;
		if (act == PLAN_FOLD)
			fold(repair, flow, size);
		else if (act == PLAN_CUT_BASE64)
			cut_base64(repair, flow);
		else
			cut_quoted(repair, flow);
		return true;
	}
	if (!ends)
		return true;
	put_held(repair, flow, repair->held_size, act);
	repair->held_size = 0;
	repair->cutting = false;
	if (repair->left == 0)
		end_edit(repair);
	return true;
}

static void put_quoted(struct repair *repair, struct flow *flow, uint8_t byte, bool literal)
{
	size_t width = literal ? 1 : 3;

	if (repair->column + width > MIME_LINE_MAX - 1) {
		put(flow, "=\r\n", 3);
		repair->column = 0;
	}
	repair->column += width;
	if (literal)
		*flow->to++ = byte;
	else
		put_escape(flow, byte);
}

/* `size` of the held bytes; what is behind them is only looked at. */
static void put_quoted_line(struct repair *repair, struct flow *flow, size_t size)
{
	const uint8_t *held = repair->held;

	for (size_t i = 0; i < size; i++) {
		size_t behind = repair->held_size - i - 1;
		bool at_break = behind >= 2 && held[i + 1] == '\r' && held[i + 2] == '\n';

		if (held[i] == '\r' && behind >= 1 && held[i + 1] == '\n') {
			put(flow, "\r\n", 2);
			repair->column = 0;
			i++;
		} else if (is_blank(held[i])) {
			put_quoted(repair, flow, held[i], !at_break && behind > 0);
		} else {
			put_quoted(repair, flow, held[i],
				held[i] > ' ' && held[i] <= '~' && held[i] != '=');
		}
	}
}

static bool encode_quoted(struct repair *repair, struct flow *flow)
{
	size_t size;

	if (!gather(repair, flow))
		return false;
	size = repair->held_size;
	if (repair->left > 0 && !holds_line(repair))
		size -= 2; /* what they are depends on what is behind */
	put_quoted_line(repair, flow, size);
	drop_held(repair, size);
	if (repair->left == 0)
		end_edit(repair);
	return true;
}

/* ---- all ---- */

static bool act(struct repair *repair, struct flow *flow, const struct plan_edit *edit)
{
	switch (edit->act) {
	case PLAN_REPLACE:
		return replace(repair, flow, edit);
	case PLAN_STRIP:
		return strip(repair, flow);
	case PLAN_QUOTED_PRINTABLE:
		return encode_quoted(repair, flow);
	case PLAN_BASE64:
		return encode_base64(repair, flow);
	default:
		return break_lines(repair, flow, edit->act);
	}
}

void repair_run(struct repair *repair, const uint8_t **from, const uint8_t *from_end, uint8_t **to,
	const uint8_t *to_end)
{
	struct flow flow = {*from, from_end, *to, to_end};
	bool goes_on = true;

	while (goes_on && (size_t)(to_end - flow.to) >= REPAIR_ROOM_MIN) {
		const struct plan_edit *edit = next_edit(repair);

		if (!repair->in_edit && edit != NULL && edit->at <= repair->position)
			begin_edit(repair, edit);
		goes_on = repair->in_edit ? act(repair, &flow, edit) : copy(repair, &flow, edit);
	}
	*from = flow.from;
	*to = flow.to;
}

bool repair_is_done(const struct repair *repair)
{
	return repair->position == repair->text_bytes && !repair->in_edit &&
	       repair->next == repair->plan.count;
}

uint64_t repair_estimate(const struct repair *repair)
{
	uint64_t size = repair->text_bytes;

	for (size_t i = 0; i < repair->plan.count; i++) {
		const struct plan_edit *edit = &repair->plan.edits[i];

		if (edit->when == repair->without)
			continue;
		if (edit->act == PLAN_REPLACE)
			size += edit->text_size - edit->size;
		else if (edit->act == PLAN_BASE64)
			size += (edit->size / BASE64_BYTES + 1) * (MIME_LINE_MAX + 2) - edit->size;
		else if (edit->act == PLAN_QUOTED_PRINTABLE)
			size += edit->size / 8;
		else if (edit->act == PLAN_CUT_BASE64 || edit->act == PLAN_CUT_QUOTED)
			size += edit->size / MIME_LINE_MAX * 2;
	}
	return size;
}
