/*
 * renewal.h: certificates that change on disk while the relay runs.
 *
 *   1. Every RENEWAL_LOOK_MS main looks whether the certificates' files are others than those in use.
 *   2. When they have changed, and were the same at the next look (whoever renews them writes several files one behind the other),
 *      new contexts are made of them, and sent to the workers as a reload's are. Nothing else of the configuration is read.
 *   3. What cannot be used is refused in the log, and the old ones stay, until the files change again.
 * Once a day certificates that are about to expire are told again.
 *
 * Threads: main's.
 */
#ifndef SLUICE_CORE_RENEWAL_H
#define SLUICE_CORE_RENEWAL_H

#define RENEWAL_LOOK_MS 2000

struct daemon;
struct renewal;

/* Begins to look; when there are certificates. NULL without memory. */
struct renewal *renewal_open(struct daemon *daemon);
/* Before the loop goes. */
void renewal_close(struct renewal **renewal);
/* A reload has just read them. */
void renewal_note(struct renewal *renewal);

#endif
