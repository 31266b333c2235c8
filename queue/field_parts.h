/*
 * field_parts.h: what the files of field.h have in common.
 *
 * Threads: any.
 */
#ifndef SLUICE_QUEUE_FIELD_PARTS_H
#define SLUICE_QUEUE_FIELD_PARTS_H

#include "queue/field.h"
#include "queue/fold.h"

/* Neither 8-bit nor NUL. */
bool field_is_clean(const void *value, size_t size);

/* The value in one line, without NULs; a CR or LF that folds nothing becomes a blank. False without memory. */
bool field_unfold(const void *value, size_t size, struct bytes *out);

/* Writes unfolded text folded, and else as it is. */
void field_fold_text(enum field_kind kind, struct fold *fold, const char *text, size_t size);

/* ---- Content-…: tokens and parameters ---- */

bool field_parameters_are_right(
	enum field_kind kind, const char *text, size_t size, const struct field_terms *terms);
/* 0: nothing to do; 1: written. */
int field_parameters_repair(enum field_kind kind, const char *text, size_t size,
	const struct field_terms *terms, struct quirk_set *found, struct fold *fold);

#endif
