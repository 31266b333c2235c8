#include "smtp/route.h"

#include <string.h>
#include <strings.h>

#include "smtp/idna.h"
#include "smtp/path.h"

/* The domain of an address: behind the last "@", as a quoted local part may hold others. NULL: "*" alone fits. */
static const char *domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	if (at == NULL || at[1] == '\0' || at[1] == '[')
		return NULL;
	return at + 1;
}

/* A final dot names the same domain. strncasecmp folds by the locale, which the daemon never sets: "C". */
static size_t domain_size(const char *domain)
{
	size_t size = strlen(domain);

	return size > 1 && domain[size - 1] == '.' ? size - 1 : size;
}

static bool domain_matches(const char *pattern, const char *domain, size_t size)
{
	size_t wanted = strlen(pattern);

	if (pattern[0] == '*' && pattern[1] == '.') {
		const char *suffix = pattern + 1; /* ".example.edu": at least one label before it */

		wanted -= 1;
		return size > wanted && strncasecmp(domain + size - wanted, suffix, wanted) == 0;
	}
	return size == wanted && strncasecmp(domain, pattern, size) == 0;
}

/* 0: does not match; a greater one is more exact. */
static size_t match_rank(const char *pattern, const char *domain, size_t size)
{
	if (strcmp(pattern, "*") == 0)
		return 1;
	if (domain == NULL || !domain_matches(pattern, domain, size))
		return 0;
	return pattern[0] == '*' ? 1 + strlen(pattern) : SIZE_MAX;
}

/* One that has none of it is compared as it is: "*" takes it. */
static const char *make_ascii(const char *domain, char ascii[IDNA_DOMAIN_BYTES + 1])
{
	if (domain == NULL || !path_has_eightbit(domain, strlen(domain)))
		return domain;
	return idna_make_ascii(domain, strlen(domain), ascii) == IDNA_SOUND ? ascii : domain;
}

const struct config_upstream *route_find(const struct config *config, const char *address)
{
	char ascii[IDNA_DOMAIN_BYTES + 1];
	const char *domain = make_ascii(domain_of(address), ascii);
	size_t size = domain != NULL ? domain_size(domain) : 0;
	const struct config_route *best = NULL;
	size_t best_rank = 0;

	for (size_t i = 0; i < config->route_count; i++) {
		size_t rank = match_rank(config->routes[i].pattern, domain, size);

		if (rank > best_rank) {
			best = &config->routes[i];
			best_rank = rank;
		}
	}
	return best != NULL ? &config->upstreams[best->upstream] : NULL;
}
