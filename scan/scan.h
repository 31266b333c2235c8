/*
 * scan.h: the scanners, as the rest of the daemon sees them.
 *
 * The way of a message:
 *   1. The scheduler gives a scan_job (scanner_submit); it goes into the scan ring.
 *   2. A scanner thread takes it, reads the envelope and the text (queue/reader), and runs the chain (scan/chain): each
 *      hook sees the text piece by piece and says clean, virus or a score.
 *   3. The verdict, per recipient, goes to the writer as a change of the envelope; in the same commit the recipients
 *      become waiting, discarded or quarantined. So a restart neither scans twice what has a verdict nor skips what has none.
 *   4. What could not be read or scanned goes back to the scheduler, and waits.
 *
 * Threads: `workers` of its own; scanner_submit by the scheduler's.
 */
#ifndef SLUICE_SCAN_SCAN_H
#define SLUICE_SCAN_SCAN_H

#include "core/clock.h"
#include "core/config.h"
#include "core/reason.h"
#include "queue/scheduler.h"

struct scanner;

struct scanner_options {
	struct store *store;
	struct writer *writer;
	const struct clock *clock;
	struct config *config; /* shared */
	size_t capacity; /* jobs: the scheduler's scan credits */
};

int scanner_open(
	struct scanner **out, const struct scanner_options *options, struct reason *reason);
/* After scheduler_open, which needs the scanner. */
int scanner_start(struct scanner *scanner, struct scheduler *scheduler, struct reason *reason);
/* Jobs not yet begun are left; they are simply due after the next start. */
void scanner_stop(struct scanner *scanner);
void scanner_close(struct scanner **scanner);

/* void *: scheduler_options.scan */
void scanner_submit(void *scanner, struct scan_job *job);

#endif
