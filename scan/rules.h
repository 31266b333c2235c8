/*
 * rules.h: the built-in hook: knows the EICAR test virus.
 *
 * It finds the 68 bytes of the test string anywhere in the text, across pieces too, and in base64: every run of lines
 * that hold base64 and nothing else is decoded as it passes by, whatever the headers say. So an attachment as mailers
 * write it is seen into. What is not: quoted-printable that breaks the string over lines, archives, and base64
 * that stands between other text in its lines. Those are the work of the scanners that hooks will ask.
 *
 * Memory: a few hundred bytes, whatever the message. RFC 2045 6.8.
 */
#ifndef SLUICE_SCAN_RULES_H
#define SLUICE_SCAN_RULES_H

#include "scan/hook.h"

#define RULES_EICAR "EICAR-Test-File"

extern const struct hook rules_hook;

#endif
