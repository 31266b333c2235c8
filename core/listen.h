/*
 * listen.h: the one place that gets listening sockets: inherited (LISTEN_FDS, sd_listen_fds(3)) or by bind.
 *
 * An inherited socket is taken when its bound address equals the one asked for; LISTEN_PID must be ours.
 * Threads: the main thread, before others start. Owner: the caller closes the descriptors.
 * Errors: -1 with a reason that names the address and what to do ("0.0.0.0:25: Address already in use: …").
 * A stale Unix socket file is removed when nobody answers behind it; a path that is a symbolic link or not a socket is
 * refused (F-39).
 */
#ifndef SLUICE_CORE_LISTEN_H
#define SLUICE_CORE_LISTEN_H

#include <stdbool.h>

#include "core/address.h"
#include "core/reason.h"

/* Non-blocking, close-on-exec, listening. IPv6 sockets are v6only. */
int listen_open(const struct address *address, struct reason *reason);

/* For a Unix path: mode of the file and group that may connect (gid -1: unchanged). */
int listen_open_path(const char *path, unsigned mode, int gid, struct reason *reason);

#endif
