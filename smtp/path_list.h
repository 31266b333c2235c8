/*
 * path_list.h: several recipients in one RCPT, as fragile clients write them (Q-45).
 *
 *	<a@b>,<c@d> · <a@b>; c@d · <a@b;c@d> · a@b c@d · <a@b> <c@d>
 *
 * A comma in a display name, a quoted string, a source route or a parameter separates nothing: a part without "@" or
 * bracket belongs to the next, unless no part has one. A bracket that is around the whole list leaves its halves to the
 * first and the last part, which path_lenient.h understands.
 *
 * Threads: any, values only.
 */
#ifndef SLUICE_SMTP_PATH_LIST_H
#define SLUICE_SMTP_PATH_LIST_H

#include <stddef.h>

struct path_item {
	const char *text;
	size_t size;
};

/* The next one: 1: there was one, 0: no more. */
int path_list_next(const char **cursor, const char *end, struct path_item *out);

#endif
