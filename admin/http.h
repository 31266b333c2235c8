/*
 * http.h: the admin socket's HTTP: connections, limits, and the way from a request to its route; libmicrohttpd within.
 *
 * Threads: the admin thread, which calls http_step when http_fd is readable or the time it asked for is over.
 * Owner: the listening socket stays the caller's.
 */
#ifndef SLUICE_ADMIN_HTTP_H
#define SLUICE_ADMIN_HTTP_H

#include "admin/service.h"
#include "core/reason.h"

struct http;

int http_open(struct http **out, struct service *service, int listen_fd, struct reason *reason);
void http_close(struct http **http);

int http_fd(const struct http *http);
/* Does what can be done now. Returns in how many ms it wants to be called again at the latest, or -1. */
int http_step(struct http *http);
/* Closes clients that are not done with a request in time. */
void http_close_overdue(struct http *http);

#endif
