/*
 * nearest.h: the word that somebody probably meant.
 *
 * Threads: any.
 */
#ifndef SLUICE_ADMIN_NEAREST_H
#define SLUICE_ADMIN_NEAREST_H

#include <stddef.h>

/* The one of `words` that `typed` is a slip of (a letter or two wrong, left out, added or swapped), or NULL. */
const char *nearest_word(const char *typed, const char *const *words, size_t count);

#endif
