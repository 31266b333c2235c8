/*
 * notify.h: tells the service manager how the daemon stands (sd_notify(3): one datagram to NOTIFY_SOCKET).
 *
 * Threads: main. Errors: none that matter; without NOTIFY_SOCKET nothing is sent.
 */
#ifndef SLUICE_CORE_NOTIFY_H
#define SLUICE_CORE_NOTIFY_H

/* "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=…", several lines in one. */
void notify_send(const char *state);

#endif
