#include "queue/inspection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/utf8.h"
#include "queue/id.h"
#include "queue/inspection_parts.h"

#define DATE_OLDEST_UNIX_S INT64_C(978307200) /* 2001-01-01 */
#define DATE_AHEAD_S       INT64_C(604800)
#define DATE_SIZE          80

bool inspection_add(struct inspection *inspection, enum plan_act act, enum plan_when when,
	uint64_t at, uint64_t size, const void *text, size_t text_size)
{
	struct plan *plan = &inspection->result.plan;

	if (inspection->is_over || (size == 0 && text_size == 0))
		return true;
	if (plan->encoded_bound + text_size + 40 > inspection->plan_room ||
		plan->count >= inspection->plan_room / INSPECTION_EDIT_BYTES) {
		inspection->is_over = true;
		return true;
	}
	return plan_add(plan, act, when, at, size, text, text_size);
}

bool inspection_insert(
	struct inspection *inspection, enum plan_when when, uint64_t at, const char *text)
{
	return inspection_add(inspection, PLAN_REPLACE, when, at, 0, text, strlen(text));
}

/* ---- examples: number, size, bytes; of several of one number the last counts ---- */

static size_t clean_example(const char *bytes, size_t size, char *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < size && kept + 2 <= INSPECTION_EXAMPLE_BYTES; i++) {
		if (bytes[i] == '\0') {
			out[kept++] = '\\';
			out[kept++] = '0';
		} else if (bytes[i] != '\r' && bytes[i] != '\n') {
			out[kept++] = bytes[i];
		}
	}
	while (kept > 0 && out[kept - 1] == ' ')
		kept--;
	return kept;
}

void inspection_keep(
	struct inspection *inspection, enum quirk quirk, const void *bytes, size_t size)
{
	char record[2 + INSPECTION_EXAMPLE_BYTES];
	size_t kept = clean_example(bytes, size, record + 2);

	record[0] = (char)quirk;
	record[1] = (char)kept;
	if (kept > 0 && !bytes_append(&inspection->result.examples, record, 2 + kept))
		return; /* it is only an example */
}

void inspection_note(
	struct inspection *inspection, enum quirk quirk, const void *bytes, size_t size)
{
	if (quirk_set_has(&inspection->result.quirks, quirk))
		return;
	quirk_set_add(&inspection->result.quirks, quirk);
	if (size > 0)
		inspection_keep(inspection, quirk, bytes, size);
}

const char *inspection_example(
	const struct inspection_result *result, enum quirk quirk, size_t *size)
{
	const uint8_t *at = result->examples.data, *end = at + result->examples.size;
	const char *found = NULL;

	for (; at < end; at += 2 + at[1]) {
		if (at[0] != (uint8_t)quirk)
			continue;
		found = (const char *)at + 2;
		*size = at[1];
	}
	return found;
}

static bool begin_part(void *owner, const struct mime_part *part)
{
	struct inspection *inspection = owner;

	if (part->depth >= inspection->notes_room) {
		unsigned room = inspection->notes_room > 0 ? inspection->notes_room * 2 : 2;
		struct note *notes = realloc(inspection->notes, room * sizeof(*notes));

		if (notes == NULL)
			return false;
		inspection->notes = notes;
		inspection->notes_room = room;
	}
	inspection->notes[part->depth] = (struct note){0};
	return true;
}

/* It stands in no text. */
static bool take_nul_line(void *owner, uint64_t at, uint64_t size)
{
	struct inspection *inspection = owner;

	inspection->has_nul = inspection->rest.has_nul = true;
	if (inspection->result.is_signed)
		return true;
	inspection_note(inspection, QUIRK_NUL, NULL, 0);
	return inspection_add(inspection, PLAN_STRIP, PLAN_ALWAYS, at, size, NULL, 0);
}

static const struct mime_calls calls = {
	.begin = begin_part,
	.field = inspection_take_field,
	.header = inspection_take_header,
	.text_end = inspection_end_text,
	.end = inspection_end_part,
	.nul_line = take_nul_line,
};

static bool begin_hash(struct inspection *inspection)
{
	inspection->hash = XXH3_createState();
	return inspection->hash != NULL &&
	       XXH3_64bits_reset_withSeed(inspection->hash, inspection->terms.seed) == XXH_OK;
}

struct inspection *inspection_open(const struct inspection_terms *terms)
{
	struct inspection *inspection = calloc(1, sizeof(*inspection));

	if (inspection == NULL)
		return NULL;
	inspection->terms = *terms;
	if (inspection->terms.charset == NULL)
		inspection->terms.charset = "iso-8859-1";
	inspection->plan_room = PLAN_BYTES_MAX / 2;
	inspection->rest.is_utf8 = true;
	inspection->mime = mime_open(&calls, inspection, terms->base);
	if (inspection->mime == NULL || (terms->hashes && !begin_hash(inspection)))
		inspection_close(&inspection);
	else if (repairs(inspection, REPAIR_CONTENT))
		mime_drop_nuls(inspection->mime);
	return inspection;
}

void inspection_result_fini(struct inspection_result *result)
{
	plan_fini(&result->plan);
	bytes_fini(&result->examples);
}

void inspection_close(struct inspection **out)
{
	struct inspection *inspection = *out;

	if (inspection == NULL)
		return;
	inspection_result_fini(&inspection->result);
	authors_fini(&inspection->authors);
	bytes_fini(&inspection->value);
	bytes_fini(&inspection->folded);
	bytes_fini(&inspection->seven);
	free(inspection->notes);
	mime_close(&inspection->mime);
	XXH3_freeState(inspection->hash);
	free(inspection);
	*out = NULL;
}

bool inspection_take(void *owner, const void *bytes, size_t size)
{
	struct inspection *inspection = owner;

	inspection->size_bytes += size;
	if (inspection->hash != NULL)
		XXH3_64bits_update(inspection->hash, bytes, size);
	return mime_take(inspection->mime, bytes, size);
}

/* ---- what is missing ---- */

/* RFC 5322 3.3, in UTC; without a locale. */
static void format_date(uint64_t unix_ms, char *out)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t at = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&at, &tm);
	snprintf(out, DATE_SIZE, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
		months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool has_eightbit_path(const char *path)
{
	return utf8_has_eightbit(path, strlen(path));
}

const char *inspection_author(
	const struct inspection_source *source, bool smtputf8, char out[INSPECTION_AUTHOR_SIZE])
{
	const char *path = source->mailbox != NULL        ? source->mailbox
			   : source->reverse_path != NULL ? source->reverse_path
							  : "";
	const char *domain = source->domain != NULL && *source->domain != '\0' ? source->domain
									       : source->hostname;

	if (source->is_nameless)
		snprintf(out, INSPECTION_AUTHOR_SIZE, "%s", INSPECTION_NOBODY);
	else if (*path == '\0' || (has_eightbit_path(path) && !smtputf8))
		snprintf(out, INSPECTION_AUTHOR_SIZE, "postmaster@%s", source->hostname);
	else if (strchr(path, '@') != NULL)
		snprintf(out, INSPECTION_AUTHOR_SIZE, "%s", path);
	else
		snprintf(out, INSPECTION_AUTHOR_SIZE, "%s@%s", path, domain);
	return out;
}

static bool format_from(struct inspection *inspection, struct bytes *out)
{
	char author[INSPECTION_AUTHOR_SIZE];

	inspection_author(inspection->source, inspection->terms.smtputf8, author);
	if (has_eightbit_path(author))
		inspection->result.header_eightbit = inspection->header_stays_eightbit =
			inspection->result.header_address_eightbit = true;
	return bytes_printf(out, "From: <%s>\r\n", author);
}

static bool format_missing(struct inspection *inspection, unsigned missing, struct bytes *out)
{
	const struct inspection_source *source = inspection->source;
	char date[DATE_SIZE], id[ID_TEXT_SIZE];

	format_date(source->now_unix_ms, date);
	if ((missing & SINGLE_DATE) != 0 && !bytes_printf(out, "Date: %s\r\n", date))
		return false;
	if ((missing & SINGLE_FROM) != 0 && !format_from(inspection, out))
		return false;
	return (missing & SINGLE_MESSAGE_ID) == 0 ||
	       bytes_printf(
		       out, "Message-ID: <%s@%s>\r\n", id_format(source->id, id), source->hostname);
}

/*
 * Fields go before all that is there: before all edits at that place too. Their number in order is what plan_sort looks
 * at.
 */
static bool add_first(struct inspection *inspection, uint64_t at, const struct bytes *text)
{
	struct plan *plan = &inspection->result.plan;

	if (!plan_add(plan, PLAN_REPLACE, PLAN_ALWAYS, at, 0, text->data, text->size))
		return false;
	for (size_t i = 0; i + 1 < plan->count; i++)
		plan->edits[i].order++;
	plan->edits[plan->count - 1].order = 0;
	return true;
}

static bool add_missing(struct inspection *inspection, uint64_t at)
{
	unsigned missing = ~inspection->seen & (SINGLE_DATE | SINGLE_FROM | SINGLE_MESSAGE_ID);

	if (missing == 0 || !repairs(inspection, REPAIR_MISSING))
		return true;
	if ((missing & SINGLE_DATE) != 0)
		inspection_note(inspection, QUIRK_DATE, NULL, 0);
	if ((missing & SINGLE_FROM) != 0)
		inspection_note(inspection, QUIRK_FROM, NULL, 0);
	if ((missing & SINGLE_MESSAGE_ID) != 0)
		inspection_note(inspection, QUIRK_NO_MESSAGE_ID, NULL, 0);
	bytes_clear(&inspection->value);
	return format_missing(inspection, missing, &inspection->value) &&
	       add_first(inspection, at, &inspection->value);
}

/* A date that cannot be true. */
static bool check_date(struct inspection *inspection)
{
	int64_t now_s = (int64_t)(inspection->source->now_unix_ms / 1000);

	if ((inspection->seen & SINGLE_DATE) == 0 || !repairs(inspection, REPAIR_CONTENT) ||
		(inspection->date_unix_s >= DATE_OLDEST_UNIX_S &&
			inspection->date_unix_s <= now_s + DATE_AHEAD_S))
		return true;
	inspection->seen &= ~(unsigned)SINGLE_DATE;
	inspection_note(inspection, QUIRK_DATE, NULL, 0);
	return inspection_insert(inspection, PLAN_ALWAYS, inspection->date_at, INSPECTION_PREFIX);
}

/* ---- the end ---- */

/* NULs of a signed text, but where something was inserted: there a range begins. */
static bool strip_signed(struct inspection *inspection)
{
	struct plan *plan = &inspection->result.plan;
	uint64_t at = inspection->terms.base, end = at + inspection->size_bytes, next;
	size_t inserted = plan->count;

	for (; at < end; at = next) {
		next = end;
		for (size_t i = 0; i < inserted; i++)
			if (plan->edits[i].at > at && plan->edits[i].at < next)
				next = plan->edits[i].at;
		if (!inspection_add(inspection, PLAN_STRIP, PLAN_ALWAYS, at, next - at, NULL, 0))
			return false;
	}
	return true;
}

static bool rewrite_author(struct inspection *inspection, uint64_t at)
{
	if (!inspection->source->rewrites)
		return true;
	if (!inspection_rewrite_author(inspection, &inspection->value))
		return false;
	return inspection->result.keeps_author || add_first(inspection, at, &inspection->value);
}

/* Its bytes stay: but for NULs, which no signature survives either, and for authors that are rewritten. */
static bool leave_signed(struct inspection *inspection, uint64_t first_at)
{
	struct plan *plan = &inspection->result.plan;

	plan_fini(plan);
	inspection->is_over = false;
	inspection->result.quirks = (struct quirk_set){{0, 0}};
	bytes_clear(&inspection->result.examples);
	inspection->plan_room = PLAN_BYTES_MAX;
	if (inspection->open_at != 0 &&
		!inspection_insert(inspection, PLAN_ALWAYS, inspection->open_at, "\r\n"))
		return false;
	if (!rewrite_author(inspection, first_at))
		return false;
	if (!inspection->has_nul || !repairs(inspection, REPAIR_CONTENT))
		return true;
	inspection_note(inspection, QUIRK_NUL, NULL, 0);
	return strip_signed(inspection);
}

/*
 * The "From " line at the top is no field: what has no room for it takes it away. What is added goes behind it: in front, it
 * would end the header.
 */
static bool take_mbox_line(struct inspection *inspection, uint64_t size)
{
	bool is_long = size > MIME_LINE_BYTES + 2 && repairs(inspection, REPAIR_LINES);
	bool content = repairs(inspection, REPAIR_CONTENT);
	size_t example_size;
	const char *example = mime_mbox_line(inspection->mime, &example_size);

	if (size == 0 || !(content || is_long || mime_mbox_has_eightbit(inspection->mime)))
		return true;
	if (content || is_long)
		inspection_note(inspection, QUIRK_MBOX_FROM, example, example_size);
	return inspection_add(inspection, PLAN_REPLACE,
		content || is_long ? PLAN_ALWAYS : PLAN_SEVENBIT, inspection->terms.base, size,
		NULL, 0);
}

/* Nothing but lines with a colon, and no field of mail: that is what its sender wants to be read. Only where it is plain. */
static bool make_body(struct inspection *inspection, uint64_t at)
{
	if (!inspection->is_all_fields || inspection->has_mail_field ||
		inspection->result.plan.count > 0 || inspection->has_eightbit ||
		!repairs(inspection, REPAIR_CONTENT))
		return true;
	inspection_note(inspection, QUIRK_NO_HEADER, NULL, 0);
	return inspection_insert(inspection, PLAN_ALWAYS, at, "\r\n");
}

static bool end_plan(struct inspection *inspection)
{
	uint64_t mbox = mime_mbox_size(inspection->mime);
	/* in front of indented fields, the first of them would go on the last one added */
	uint64_t first_at =
		inspection->is_indented ? inspection->fields_end : inspection->terms.base + mbox;

	inspection->plan_room = PLAN_BYTES_MAX;
	if (inspection->result.is_signed)
		return leave_signed(inspection, first_at);
	return make_body(inspection, inspection->terms.base) && check_date(inspection) &&
	       take_mbox_line(inspection, mbox) && rewrite_author(inspection, first_at) &&
	       add_missing(inspection, first_at);
}

bool inspection_whole(struct inspection *inspection, struct inspection_header *out)
{
	if (!inspection->is_whole && !mime_end(inspection->mime))
		return false;
	inspection->is_whole = true;
	*out = (struct inspection_header){.authors = &inspection->authors,
		.is_report = inspection->result.is_report,
		.is_auto_submitted = inspection->result.is_auto_submitted};
	return true;
}

bool inspection_end(struct inspection *inspection, const struct inspection_source *source,
	struct inspection_result *out)
{
	struct inspection_result *result = &inspection->result;
	struct inspection_header header;

	*out = (struct inspection_result){0};
	inspection->source = source;
	if (!inspection_whole(inspection, &header) || !end_plan(inspection))
		return false;
	plan_sort(&result->plan);
	result->sevenbit_possible = !inspection->header_stays_eightbit &&
				    !inspection->parts_stay_eightbit &&
				    !(result->is_signed && inspection->has_eightbit);
	result->is_empty = inspection->size_bytes == 0;
	if (inspection->hash != NULL)
		result->content_hash = XXH3_64bits_digest(inspection->hash);
	*out = *result;
	result->plan = (struct plan){0};
	result->examples = (struct bytes){0};
	return true;
}
