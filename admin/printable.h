/*
 * printable.h: text for a terminal: a peer's bytes made harmless, columns counted, sizes and numbers as people read them.
 *
 * Control characters, direction marks and bytes that are not UTF-8 are shown as \xNN or \u{NNNN}. Each character shown
 * counts as one column.
 * Threads: any. Errors: append functions return false without memory.
 */
#ifndef SLUICE_ADMIN_PRINTABLE_H
#define SLUICE_ADMIN_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/bytes.h"

bool printable_append(struct bytes *out, const char *text) __attribute__((warn_unused_result));

/* Columns of text that printable_append wrote. */
size_t printable_width(const char *text);
/* How many bytes of it stand in the first `columns`. */
size_t printable_cut(const char *text, size_t columns);

/* To a stream, without a line end. NULL prints nothing. */
void printable_print(FILE *to, const char *text);

#define PRINTABLE_NUMBER_SIZE 32

/* "1,234,567"; "48.2 MB" in powers of 1024, as the configuration writes them. Return `out`. */
char *printable_number(uint64_t number, char *out);
char *printable_size(uint64_t bytes, char *out);

#endif
