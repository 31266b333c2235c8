/*
 * request.h: what a client of the admin socket asks: who, method, path, and parameters, decoded and bounded.
 *
 * Threads: the admin thread. Owner: embedded in its connection; holds all its text, but the body, which is the connection's.
 * Limits: REQUEST_QUERY_MAX parameters of REQUEST_VALUE_SIZE bytes, one of a name. Over a limit, or with a percent sign
 * that is none or stands for NUL, a request is answered 400.
 */
#ifndef SLUICE_ADMIN_REQUEST_H
#define SLUICE_ADMIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/reason.h"

#define REQUEST_QUERY_MAX    8
#define REQUEST_NAME_SIZE    32
#define REQUEST_VALUE_SIZE   512
#define REQUEST_SEGMENTS_MAX 2
#define REQUEST_SEGMENT_SIZE 300
#define REQUEST_WHO_SIZE     32

struct request {
	char who[REQUEST_WHO_SIZE]; /* "root", "uid 1000" */
	char segments[REQUEST_SEGMENTS_MAX][REQUEST_SEGMENT_SIZE]; /* what stood for {…} */
	size_t segment_count;
	struct request_parameter {
		char name[REQUEST_NAME_SIZE];
		char value[REQUEST_VALUE_SIZE];
	} query[REQUEST_QUERY_MAX];
	size_t query_count;
	const char *body; /* ended by a NUL that is not counted; "" where the route takes none */
	size_t body_size;
};

/* Takes a parameter as it stands in the URL. 0, or -1: malformed, too long, too many, or given twice. */
int request_add_parameter(struct request *request, const char *name, const char *value);
/* NULL: not given. */
const char *request_parameter(const struct request *request, const char *name);

/* The parameter `limit`, from 1 to `most`; not given, it is `usual`. 0, or -1 with a sentence that says what was expected. */
int request_limit(const struct request *request, size_t usual, size_t most, size_t *limit,
	struct reason *reason);

/* Percent-decoding. 0, or -1: malformed, a NUL, or longer than `out`. */
int request_decode(const char *text, size_t size, char *out, size_t out_size);

#endif
