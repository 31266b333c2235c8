/*
 * verdict.h: what a scan's end changes in the envelope, run by the writer on the stored record.
 *
 *	clean    SCANNING → WAITING, due now
 *	virus    SCANNING → DISCARDED; when that ends the message, the writer removes it
 *	damaged  SCANNING → HELD, with the reason and an end
 *
 * Recipients in any other state are left alone: one that an operator held meanwhile is scanned again when it is released. So
 * a verdict may come twice and is stored once.
 */
#ifndef SLUICE_SCAN_VERDICT_H
#define SLUICE_SCAN_VERDICT_H

#include "queue/scheduler.h"

/* A writer_change_fn; the argument is the struct scan_job. */
int verdict_apply(struct envelope *envelope, void *job);

#endif
