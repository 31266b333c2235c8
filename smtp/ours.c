#include "smtp/ours.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "smtp/idna.h"

#define LABEL_PREFIX "xn--"

/* ---- plain ---- */

/* Without quotes and backslashes, if it is one quoted string. `to` has room for `size` bytes; returns how many it is. */
static size_t unquote(const char *local, size_t size, char *to)
{
	size_t kept = 0;

	if (size < 2 || local[0] != '"' || local[size - 1] != '"') {
		memcpy(to, local, size);
		return size;
	}
	for (size_t i = 1; i + 1 < size; i++) {
		i += local[i] == '\\' && i + 2 < size;
		to[kept++] = local[i];
	}
	return kept;
}

/* What can be seen of it; returns its size. */
static size_t make_visible(const char *domain, size_t size, char *to)
{
	size_t kept = 0, step;
	uint32_t code;

	for (size_t i = 0; i < size; i += step) {
		step = utf8_next(domain + i, size - i, &code);
		if (step > 0 && utf8_is_invisible(code))
			continue;
		step = step > 0 ? step : 1;
		memcpy(to + kept, domain + i, step);
		kept += step;
	}
	return kept;
}

/* "xn--example-" stands for "example": nobody needs it, but to look alike. In place; returns the new size. */
static size_t drop_false_labels(char *domain, size_t size)
{
	const size_t prefix = strlen(LABEL_PREFIX);
	size_t kept = 0, end;

	for (size_t at = 0; at < size; at = end) {
		for (end = at; end < size && domain[end] != '.';)
			end++;
		if (end - at > prefix + 1 && memcmp(domain + at, LABEL_PREFIX, prefix) == 0 &&
			domain[end - 1] == '-') {
			memmove(domain + kept, domain + at + prefix, end - at - prefix - 1);
			kept += end - at - prefix - 1;
		} else {
			memmove(domain + kept, domain + at, end - at);
			kept += end - at;
		}
		if (end < size)
			domain[kept++] = domain[end++];
	}
	return kept;
}

static void lower(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		text[i] = ascii_lower(text[i]);
}

/* One that has no A-labels is compared as it is, and is none of ours. */
static size_t plain_domain(const char *domain, size_t size, char *to)
{
	char visible[OURS_ADDRESS_BYTES], ascii[IDNA_DOMAIN_BYTES + 1];

	memcpy(to, domain, size);
	if (utf8_has_eightbit(domain, size)) {
		size = make_visible(domain, size, visible);
		memcpy(to, visible, size);
		if (idna_make_ascii(visible, size, ascii) == IDNA_SOUND) {
			size = strlen(ascii);
			memcpy(to, ascii, size);
		}
	}
	lower(to, size);
	while (size > 0 && to[size - 1] == '.')
		size--;
	return drop_false_labels(to, size);
}

bool ours_make_plain(const char *address, char plain[OURS_ADDRESS_SIZE])
{
	const char *mark = strrchr(address, '@');
	size_t size = strlen(address), local;

	if (mark == NULL || size > OURS_ADDRESS_BYTES)
		return false;
	local = unquote(address, (size_t)(mark - address), plain);
	plain[local++] = '@';
	size = plain_domain(mark + 1, strlen(mark + 1), plain + local);
	plain[local + size] = '\0';
	return size > 0;
}

/* ---- ours ---- */

static int compare(const void *key, const void *item)
{
	return strcmp(key, *(char *const *)item);
}

static bool is_listed(const struct config_domains *domains, const char *text)
{
	return domains->count > 0 && bsearch(text, domains->items, domains->count,
					     sizeof(*domains->items), compare) != NULL;
}

bool ours_names_domain(const struct config *config, const char *domain)
{
	return is_listed(&config->domains, domain);
}

bool ours_has_domain(const struct config *config, const char *domain)
{
	char pattern[OURS_ADDRESS_SIZE + 1] = "*";

	if (config->domains.count == 0)
		return false;
	if (is_listed(&config->domains, domain))
		return true;
	for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		if (dot == domain || strlen(dot) >= OURS_ADDRESS_SIZE)
			continue;
		memcpy(pattern + 1, dot, strlen(dot) + 1);
		if (is_listed(&config->domains, pattern))
			return true;
	}
	return false;
}

bool ours_has(const struct config *config, const char *plain)
{
	const char *mark = strrchr(plain, '@');

	return mark != NULL && ours_has_domain(config, mark + 1);
}

bool ours_is_nowhere(const char *address)
{
	const char *mark = strrchr(address, '@');
	unsigned char bytes[sizeof(struct in6_addr)];
	size_t size;

	if (mark == NULL)
		return false;
	size = strlen(++mark);
	if (size > 1 && mark[size - 1] == '.')
		size--;
	return mark[0] == '[' || ascii_equals(mark, size, "localhost") ||
	       ascii_equals(mark, size, "localhost.localdomain") ||
	       inet_pton(AF_INET, mark, bytes) == 1 || inet_pton(AF_INET6, mark, bytes) == 1;
}
