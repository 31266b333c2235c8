/*
 * route.h: which handler a method and path belong to: a table.
 *
 * A pattern is a path whose segments are literal or `{…}`, which stands for one segment, percent-decoded. HEAD counts as GET.
 * Threads: any, values only.
 */
#ifndef SLUICE_ADMIN_ROUTE_H
#define SLUICE_ADMIN_ROUTE_H

#include <stddef.h>

#include "admin/answer.h"
#include "admin/request.h"

struct service;

/* Fills `answer`; runs on the admin thread, and is done when it returns. */
typedef void route_fn(
	struct service *service, const struct request *request, struct answer *answer);

struct route {
	const char *method;
	const char *pattern;
	route_fn *handle;
	const char
		*parameters; /* those that it takes, separated by spaces; others are answered 400 */
	size_t body_max; /* bytes of a body; 0: it takes none, and one that comes is dropped */
};

extern const struct route route_table[];
extern const size_t route_count;

enum route_match {
	ROUTE_FOUND,
	ROUTE_NO_PATH, /* 404 */
	ROUTE_NO_METHOD, /* 405; `allow` says which there are */
	ROUTE_MALFORMED, /* 400: percent-encoding, or a segment too long */
};

/* On ROUTE_FOUND sets *found and the request's segments. `path` is as it stands in the URL, without the query. */
enum route_match admin_route_find(const struct route *routes, size_t count, const char *method,
	const char *path, struct request *request, const struct route **found, char *allow,
	size_t allow_size);

/* The first parameter of the request that the route does not take, or NULL. */
const char *route_unknown_parameter(const struct route *route, const struct request *request);

#endif
