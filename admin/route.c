#include "admin/route.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum fit { FITS, FITS_NOT, FITS_BADLY };

static size_t segment_size(const char *at)
{
	return strcspn(at, "/");
}

static enum fit fit_segment(const char *pattern, size_t pattern_size, const char *path, size_t size,
	struct request *request)
{
	char *out;

	if (pattern[0] != '{')
		return pattern_size == size && memcmp(pattern, path, size) == 0 ? FITS : FITS_NOT;
	if (size == 0 || request->segment_count == REQUEST_SEGMENTS_MAX)
		return FITS_NOT;
	out = request->segments[request->segment_count++];
	return request_decode(path, size, out, REQUEST_SEGMENT_SIZE) == 0 ? FITS : FITS_BADLY;
}

static enum fit fit_path(const char *pattern, const char *path, struct request *request)
{
	enum fit fit = FITS;

	request->segment_count = 0;
	while (fit == FITS && *pattern == '/' && *path == '/') {
		size_t pattern_size = segment_size(++pattern);
		size_t size = segment_size(++path);

		fit = fit_segment(pattern, pattern_size, path, size, request);
		pattern += pattern_size;
		path += size;
	}
	if (fit == FITS && (*pattern != '\0' || *path != '\0'))
		return FITS_NOT;
	return fit;
}

static void allow_method(char *allow, size_t allow_size, const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, allow_size - used, "%s%s", used ? ", " : "",
		strcmp(method, "GET") == 0 ? "GET, HEAD" : method);
}

enum route_match admin_route_find(const struct route *routes, size_t count, const char *method,
	const char *path, struct request *request, const struct route **found, char *allow,
	size_t allow_size)
{
	enum route_match match = ROUTE_NO_PATH;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	allow[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		enum fit fit = fit_path(routes[i].pattern, path, request);

		if (fit == FITS_BADLY)
			return ROUTE_MALFORMED;
		if (fit != FITS)
			continue;
		if (strcmp(routes[i].method, method) == 0) {
			*found = &routes[i];
			return ROUTE_FOUND;
		}
		allow_method(allow, allow_size, routes[i].method);
		match = ROUTE_NO_METHOD;
	}
	return match;
}

static bool lists_word(const char *list, const char *word)
{
	size_t size = strlen(word);

	while (*list != '\0') {
		size_t next = strcspn(list, " ");

		if (next == size && memcmp(list, word, size) == 0)
			return true;
		list += next + (list[next] == ' ');
	}
	return false;
}

const char *route_unknown_parameter(const struct route *route, const struct request *request)
{
	for (size_t i = 0; i < request->query_count; i++) {
		if (!lists_word(route->parameters, request->query[i].name))
			return request->query[i].name;
	}
	return NULL;
}
