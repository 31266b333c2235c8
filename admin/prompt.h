/*
 * prompt.h: asks for a password: twice and unseen on a terminal, else the first line of standard input.
 *
 * Threads: one. Owner: the caller wipes it.
 * Errors: a code of sysexits(3) and a reason.
 */
#ifndef SLUICE_ADMIN_PROMPT_H
#define SLUICE_ADMIN_PROMPT_H

#include "core/reason.h"

#define PROMPT_PASSWORD_SIZE 512 /* with the NUL; what crypt(3) and AUTH take */

/* Asks "Password for NAME: ". */
int prompt_password(const char *name, char out[PROMPT_PASSWORD_SIZE], struct reason *reason);

#endif
