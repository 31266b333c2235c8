/*
 * utf8.h: reads text as UTF-8, strictly (RFC 3629): no overlong forms, no surrogates, nothing over U+10FFFF.
 *
 * Threads: any.
 */
#ifndef SLUICE_CORE_UTF8_H
#define SLUICE_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the character at the front (1 to 4), or 0 when there is none that is valid. `size` is at least 1. */
size_t utf8_next(const void *text, size_t size, uint32_t *code);

/* Nothing but characters; an empty text is. */
bool utf8_is_valid(const void *text, size_t size);

/* Some byte over 127. */
bool utf8_has_eightbit(const void *text, size_t size);

/* Does something to a terminal instead of showing: C0, DEL, C1, and marks that turn or hide what stands beside them. */
bool utf8_is_control(uint32_t code);

/* Nobody sees it, whoever shows it: what utf8_is_control says, fillers, joiners and variation selectors. */
bool utf8_is_invisible(uint32_t code);

#endif
