#include "queue/mime.h"

#include <stdlib.h>
#include <string.h>

#include "queue/field.h"
#include "queue/mime_parts.h"

/* ---- the run: what is being taken ---- */

struct run {
	const char *at, *end;
	uint64_t offset; /* of `at` */
};

static void pass(struct run *run, size_t size)
{
	run->at += size;
	run->offset += size;
}

/* Behind the limit of a header line: only counted. */
static bool take_tail(struct mime *mime, struct run *run)
{
	const char *lf = memchr(run->at, '\n', (size_t)(run->end - run->at));
	size_t size = (size_t)((lf != NULL ? lf + 1 : run->end) - run->at);
	bool grown = mime_field_grow(mime, run->at, size, false);

	mime->in_tail = lf == NULL;
	pass(run, size);
	return grown;
}

/*
 * The next line, whole or its first `limit` bytes: from the run, or from what was gathered; false: there is no more of it
 * in the run. What is gathered is the caller's to clear.
 */
static bool next_line(
	struct mime *mime, struct run *run, size_t limit, struct mime_line *line, bool *ok)
{
	size_t kept = mime->line.size, size = (size_t)(run->end - run->at);
	const char *lf;

	if (size > limit - kept)
		size = limit - kept;
	lf = memchr(run->at, '\n', size);
	if (lf != NULL)
		size = (size_t)(lf + 1 - run->at);
	*ok = true;
	if (kept == 0 && (lf != NULL || size == limit)) {
		*line = (struct mime_line){run->at, size, run->offset, true};
		pass(run, size);
		return true;
	}
	if (kept == 0)
		mime->line_at = run->offset;
	*ok = bytes_append(&mime->line, run->at, size);
	pass(run, size);
	*line = (struct mime_line){(char *)mime->line.data, mime->line.size, mime->line_at, false};
	return *ok && (lf != NULL || mime->line.size == limit);
}

/* Where the NULs before `at` begin, if they begin a line; else NULL. */
static const char *find_line_start(const struct mime *mime, const struct run *run, const char *at)
{
	while (mime->drops_nuls && at > run->at && at[-1] == '\0')
		at--;
	return (at > run->at ? at[-1] == '\n' : mime->at_line_start) ? at : NULL;
}

/* The next "-" that begins a line, or the NULs before it, or the run's end. */
static const char *find_dash(const struct mime *mime, const struct run *run)
{
	const char *at = run->at, *start;

	if (mime->delimiters == 0)
		return run->end;
	while ((at = memchr(at, '-', (size_t)(run->end - at))) != NULL) {
		start = find_line_start(mime, run, at);
		if (start != NULL)
			return start;
		while (at < run->end && *at == '-')
			at++;
	}
	start = run->end[-1] == '\0' ? find_line_start(mime, run, run->end) : NULL;
	return start != NULL ? start : run->end;
}

static bool take_some(struct mime *mime, struct run *run)
{
	struct mime_line line;
	const char *dash;
	bool ok;

	if (mime->in_tail)
		return take_tail(mime, run);
	if (!mime->in_header && mime->line.size == 0) {
		dash = find_dash(mime, run);
		ok = mime_take_text(mime, run->offset, run->at, (size_t)(dash - run->at));
		pass(run, (size_t)(dash - run->at));
		if (!ok || run->at == run->end)
			return ok;
	}
	if (!next_line(mime, run, mime->in_header ? FIELD_BYTES_MAX : MIME_DELIMITER_BYTES_MAX,
		    &line, &ok))
		return ok;
	ok = mime->in_header ? mime_take_header_line(mime, &line)
			     : mime_take_text_line(mime, &line);
	bytes_clear_above(&mime->line, MIME_KEPT_BYTES);
	return ok;
}

struct mime *mime_open(const struct mime_calls *calls, void *owner, uint64_t base)
{
	struct mime *mime = calloc(1, sizeof(*mime));

	if (mime == NULL)
		return NULL;
	mime->calls = calls;
	mime->owner = owner;
	mime->at = base;
	return mime;
}

void mime_close(struct mime **mime)
{
	if (*mime == NULL)
		return;
	bytes_fini(&(*mime)->line);
	bytes_fini(&(*mime)->field);
	free((*mime)->parts);
	free(*mime);
	*mime = NULL;
}

/* The whole begins with the first byte, or at the end of none: so that opening cannot fail in a call. */
static bool begin_whole(struct mime *mime)
{
	return mime->count > 0 || mime_begin_part(mime, mime->at, MIME_TYPE_FIRST);
}

bool mime_take(struct mime *mime, const void *bytes, size_t size)
{
	struct run run = {bytes, (const char *)bytes + size, mime->at};

	if (!begin_whole(mime))
		return false;
	while (run.at < run.end)
		if (!take_some(mime, &run))
			return false;
	mime->at = run.offset;
	return mime_field_keep(mime);
}

/* A last line without an end. */
static bool take_rest(struct mime *mime)
{
	struct mime_line line = {(char *)mime->line.data, mime->line.size, mime->line_at, false};

	if (mime->line.size == 0)
		return true;
	return mime->in_header ? mime_take_header_line(mime, &line)
			       : mime_take_text_line(mime, &line);
}

bool mime_end(struct mime *mime)
{
	if (!begin_whole(mime) || !take_rest(mime) || !mime_end_content(mime, mime->at, false))
		return false;
	while (mime->levels > 0)
		if (!mime_end_part(mime))
			return false;
	return true;
}

uint64_t mime_mbox_size(const struct mime *mime)
{
	return mime->mbox_size;
}

const char *mime_mbox_line(const struct mime *mime, size_t *size)
{
	*size = mime->mbox_size < sizeof(mime->mbox_line) ? (size_t)mime->mbox_size
							  : sizeof(mime->mbox_line);
	return mime->mbox_line;
}

bool mime_mbox_has_eightbit(const struct mime *mime)
{
	return mime->mbox_eightbit;
}

void mime_drop_nuls(struct mime *mime)
{
	mime->drops_nuls = true;
}

bool mime_has_too_many(const struct mime *mime)
{
	return mime->has_too_many;
}
