#include "queue/grant.h"

#include <stdlib.h>
#include <string.h>

#include "core/ascii.h"
#include "core/network.h"
#include "core/utf8.h"

#define ADDRESS_SIZE  320 /* RFC 5321: 64 + 1 + 254, and a NUL */
#define DOMAIN_MAX    254
#define EXACT_ANY     1 /* "*" */
#define EXACT_BELOW   2 /* "*@*.example.edu", and one more for each byte of the domain */
#define EXACT_DOMAIN  1000
#define EXACT_ADDRESS 2000

/* ---- memory ---- */

static char no_text[] = "";

static const size_t text_members[] = {
	offsetof(struct grant, owner),
	offsetof(struct grant, contact),
	offsetof(struct grant, purpose),
	offsetof(struct grant, device),
	offsetof(struct grant, mailbox),
	offsetof(struct grant, created_by),
	offsetof(struct grant, approved_by),
	offsetof(struct grant, reason),
};
static const size_t list_members[] = {
	offsetof(struct grant, networks),
	offsetof(struct grant, accounts),
	offsetof(struct grant, certificates),
	offsetof(struct grant, senders),
	offsetof(struct grant, header_froms),
};
#define TEXT_COUNT (sizeof(text_members) / sizeof(text_members[0]))
#define LIST_COUNT (sizeof(list_members) / sizeof(list_members[0]))

static char **text_of(const struct grant *grant, size_t which)
{
	return (char **)(void *)((char *)grant + text_members[which]);
}

static struct grant_texts *list_of(const struct grant *grant, size_t which)
{
	return (struct grant_texts *)(void *)((char *)grant + list_members[which]);
}

bool grant_set_text(char **text, const char *value)
{
	char *copy = value[0] != '\0' ? strdup(value) : no_text;

	if (copy == NULL)
		return false;
	if (*text != no_text)
		free(*text);
	*text = copy;
	return true;
}

bool grant_add_text(struct grant_texts *texts, const char *value)
{
	char *copy = strdup(value), **grown = NULL;

	if (copy != NULL)
		grown = reallocarray(texts->items, texts->count + 1, sizeof(*grown));
	if (grown == NULL) {
		free(copy);
		return false;
	}
	texts->items = grown;
	grown[texts->count++] = copy;
	return true;
}

void grant_clear_texts(struct grant_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
	free(texts->items);
	*texts = (struct grant_texts){0};
}

struct grant *grant_new(const char *name)
{
	struct grant *grant = calloc(1, sizeof(*grant));

	if (grant == NULL)
		return NULL;
	strncpy(grant->name, name, sizeof(grant->name) - 1);
	for (size_t i = 0; i < TEXT_COUNT; i++)
		*text_of(grant, i) = no_text;
	grant->state = GRANT_REQUESTED;
	grant->lane = LANE_NORMAL;
	return grant;
}

struct grant *grant_copy(const struct grant *grant)
{
	struct grant *copy = malloc(sizeof(*copy));
	bool done = true;

	if (copy == NULL)
		return NULL;
	*copy = *grant;
	for (size_t i = 0; i < TEXT_COUNT; i++)
		*text_of(copy, i) = no_text;
	for (size_t i = 0; i < LIST_COUNT; i++)
		*list_of(copy, i) = (struct grant_texts){0};
	for (size_t i = 0; i < TEXT_COUNT && done; i++)
		done = grant_set_text(text_of(copy, i), *text_of(grant, i));
	for (size_t i = 0; i < LIST_COUNT; i++)
		for (size_t at = 0; at < list_of(grant, i)->count && done; at++)
			done = grant_add_text(list_of(copy, i), list_of(grant, i)->items[at]);
	if (!done)
		grant_close(&copy);
	return copy;
}

void grant_close(struct grant **grant)
{
	if (grant == NULL || *grant == NULL)
		return;
	for (size_t i = 0; i < TEXT_COUNT; i++)
		if (*text_of(*grant, i) != no_text)
			free(*text_of(*grant, i));
	for (size_t i = 0; i < LIST_COUNT; i++)
		grant_clear_texts(list_of(*grant, i));
	free(*grant);
	*grant = NULL;
}

/* ---- packing: the struct, the lists' pointers, the texts ---- */

size_t grant_packed_size(const struct grant *grant)
{
	size_t size = sizeof(*grant);

	for (size_t i = 0; i < TEXT_COUNT; i++)
		size += strlen(*text_of(grant, i)) + 1;
	for (size_t i = 0; i < LIST_COUNT; i++)
		for (size_t at = 0; at < list_of(grant, i)->count; at++)
			size += sizeof(char *) + strlen(list_of(grant, i)->items[at]) + 1;
	return size;
}

static char *put_packed(char **end, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = *end;

	memcpy(copy, text, size);
	*end += size;
	return copy;
}

const struct grant *grant_pack(const struct grant *grant, void *block)
{
	struct grant *packed = block;
	char **items = (char **)(void *)(packed + 1), *end;

	*packed = *grant;
	for (size_t i = 0; i < LIST_COUNT; i++) {
		list_of(packed, i)->items = items;
		items += list_of(packed, i)->count;
	}
	end = (char *)items;
	for (size_t i = 0; i < LIST_COUNT; i++)
		for (size_t at = 0; at < list_of(packed, i)->count; at++)
			list_of(packed, i)->items[at] =
				put_packed(&end, list_of(grant, i)->items[at]);
	for (size_t i = 0; i < TEXT_COUNT; i++)
		*text_of(packed, i) = put_packed(&end, *text_of(grant, i));
	return packed;
}

/* ---- patterns ---- */

struct parts {
	const char *local, *domain; /* local NULL: there is no @ */
	size_t local_size, domain_size;
};

static struct parts split(const char *address)
{
	const char *at = strrchr(address, '@');
	struct parts parts = {.local = address};

	if (at == NULL)
		return (struct parts){0};
	parts.local_size = (size_t)(at - address);
	parts.domain = at + 1;
	parts.domain_size = strlen(at + 1);
	return parts;
}

static bool is_same(const char *a, size_t a_size, const char *b, size_t b_size)
{
	if (a_size != b_size)
		return false;
	for (size_t i = 0; i < a_size; i++)
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	return true;
}

static bool is_star(const char *text, size_t size)
{
	return size == 1 && text[0] == '*';
}

static bool is_below(const struct parts *pattern)
{
	return pattern->domain_size > 2 && memcmp(pattern->domain, "*.", 2) == 0;
}

unsigned grant_pattern_match(const char *pattern, const char *address)
{
	struct parts ours = split(pattern), theirs = split(address);
	size_t size;

	if (strcmp(pattern, "*") == 0)
		return EXACT_ANY;
	if (ours.local == NULL || theirs.local == NULL)
		return 0;
	if (is_below(&ours)) {
		/* ".example.edu" ends it, and something stands before */
		size = ours.domain_size - 1;
		if (theirs.domain_size > size &&
			is_same(ours.domain + 1, size, theirs.domain + theirs.domain_size - size,
				size))
			return EXACT_BELOW + (unsigned)size;
		return 0;
	}
	if (!is_same(ours.domain, ours.domain_size, theirs.domain, theirs.domain_size))
		return 0;
	if (is_star(ours.local, ours.local_size))
		return EXACT_DOMAIN;
	return is_same(ours.local, ours.local_size, theirs.local, theirs.local_size) ? EXACT_ADDRESS
										     : 0;
}

const char *grant_find_pattern(const struct grant_texts *patterns, const char *address)
{
	const char *found = NULL;
	unsigned best = 0;

	for (size_t i = 0; i < patterns->count; i++) {
		unsigned exact = grant_pattern_match(patterns->items[i], address);

		if (exact > best) {
			best = exact;
			found = patterns->items[i];
		}
	}
	return found;
}

/* ---- what is valid ---- */

bool grant_name_is_valid(const char *name)
{
	size_t size = strlen(name);

	if (size >= GRANT_NAME_SIZE || !ascii_is_alnum(name[0]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!ascii_is_alnum(name[i]) && strchr("._-", name[i]) == NULL)
			return false;
	return true;
}

/* UTF-8 without control characters. */
static bool is_printable(const char *text, size_t size)
{
	uint32_t code;

	for (size_t at = 0, step; at < size; at += step) {
		step = utf8_next(text + at, size - at, &code);
		if (step == 0 || utf8_is_control(code))
			return false;
	}
	return true;
}

static bool has_any(const char *text, size_t size, const char *marks)
{
	for (size_t i = 0; i < size; i++)
		if (strchr(marks, text[i]) != NULL)
			return true;
	return false;
}

static bool is_local(const char *text, size_t size)
{
	return size > 0 && is_printable(text, size) && !has_any(text, size, " *@<>,;\"\\");
}

static bool is_domain(const char *text, size_t size)
{
	char before = '.';

	if (size == 0 || size > DOMAIN_MAX || !is_printable(text, size))
		return false;
	for (size_t i = 0; i < size; before = text[i++]) {
		bool is_letter = ascii_is_alnum(text[i]) || (text[i] & 0x80) != 0;

		if (!is_letter && strchr(".-_", text[i]) == NULL)
			return false;
		if (text[i] == '.' && before == '.')
			return false;
	}
	return before != '.';
}

bool grant_pattern_is_valid(const char *pattern)
{
	struct parts parts = split(pattern);

	if (strcmp(pattern, "*") == 0)
		return true;
	if (parts.local == NULL || strlen(pattern) >= ADDRESS_SIZE)
		return false;
	if (is_star(parts.local, parts.local_size))
		return is_below(&parts) ? is_domain(parts.domain + 2, parts.domain_size - 2)
					: is_domain(parts.domain, parts.domain_size);
	return is_local(parts.local, parts.local_size) &&
	       is_domain(parts.domain, parts.domain_size);
}

static bool is_address(const char *text)
{
	struct parts parts = split(text);

	return parts.local != NULL && strlen(text) < ADDRESS_SIZE &&
	       is_local(parts.local, parts.local_size) &&
	       is_domain(parts.domain, parts.domain_size);
}

typedef int check_fn(const char *text, struct reason *reason);

static int check_network(const char *text, struct reason *reason)
{
	struct network network;

	return network_parse(text, &network, reason);
}

static int check_account(const char *text, struct reason *reason)
{
	size_t size = strlen(text);

	if (size > 0 && size < GRANT_TEXT_SIZE && is_printable(text, size))
		return 0;
	return reason_set(reason, "accounts: expected a name, without control characters");
}

static int check_certificate(const char *text, struct reason *reason)
{
	if (strlen(text) == GRANT_CERTIFICATE_SIZE - 1 &&
		strspn(text, "0123456789abcdef") == GRANT_CERTIFICATE_SIZE - 1)
		return 0;
	return reason_set(
		reason, "certificates: expected the SHA-256 of a certificate, 64 digits of hex");
}

static int check_pattern(const char *text, struct reason *reason)
{
	if (grant_pattern_is_valid(text))
		return 0;
	return reason_set(reason,
		"%.*s: not a pattern; expected \"a@example.edu\", \"*@example.edu\", "
		"\"*@*.example.edu\" or \"*\"",
		is_printable(text, strlen(text)) ? ADDRESS_SIZE : 0, text);
}

static int check_list(
	const struct grant_texts *texts, check_fn *check, const char *what, struct reason *reason)
{
	if (texts->count > GRANT_TEXTS_MAX)
		return reason_set(reason, "%s: more than %d", what, GRANT_TEXTS_MAX);
	for (size_t i = 0; i < texts->count; i++)
		if (check(texts->items[i], reason) < 0)
			return -1;
	return 0;
}

static int check_lists(const struct grant *grant, struct reason *reason)
{
	if (check_list(&grant->networks, check_network, "networks", reason) < 0 ||
		check_list(&grant->accounts, check_account, "accounts", reason) < 0 ||
		check_list(&grant->certificates, check_certificate, "certificates", reason) < 0 ||
		check_list(&grant->senders, check_pattern, "senders", reason) < 0 ||
		check_list(&grant->header_froms, check_pattern, "header From patterns", reason) < 0)
		return -1;
	if (grant->networks.count + grant->accounts.count + grant->certificates.count == 0)
		return reason_set(reason,
			"it belongs to no system: expected a network, an account or a certificate");
	return 0;
}

static int check_texts(const struct grant *grant, struct reason *reason)
{
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		const char *text = *text_of(grant, i);
		size_t size = strlen(text);

		if (size >= GRANT_TEXT_SIZE)
			return reason_set(reason, "a text is longer than %d bytes: %.40s…",
				GRANT_TEXT_SIZE - 1, text);
		if (!is_printable(text, size))
			return reason_set(reason, "a text is not UTF-8, or has control characters");
	}
	if (grant->owner[0] != '\0' && !is_address(grant->owner))
		return reason_set(reason, "owner: %s is no mail address", grant->owner);
	if (grant->mailbox[0] != '\0' && !is_address(grant->mailbox))
		return reason_set(reason, "mailbox: %s is no mail address", grant->mailbox);
	return 0;
}

int grant_check(const struct grant *grant, struct reason *reason)
{
	if (!grant_name_is_valid(grant->name))
		return reason_set(reason,
			"the name must be of letters, digits, \".\", \"_\" and \"-\", and at most "
			"%d long",
			GRANT_NAME_SIZE - 1);
	if (check_lists(grant, reason) < 0 || check_texts(grant, reason) < 0)
		return -1;
	if ((grant->spoof == GRANT_REWRITE || grant->replaces_null) && grant->mailbox[0] == '\0')
		return reason_set(reason, "rewriting needs a mailbox to write");
	if (grant->state == GRANT_APPROVED && grant->expires_unix_ms == 0)
		return reason_set(reason, "it is approved, and has no end");
	return 0;
}

/* ---- life ---- */

enum grant_life grant_life(const struct grant *grant, uint64_t now_unix_ms)
{
	switch (grant->state) {
	case GRANT_REQUESTED:
		return GRANT_LIFE_REQUESTED;
	case GRANT_SUSPENDED:
		return GRANT_LIFE_SUSPENDED;
	case GRANT_REVOKED:
		return GRANT_LIFE_REVOKED;
	case GRANT_APPROVED:
		break;
	}
	if (now_unix_ms >= grant->expires_unix_ms)
		return GRANT_LIFE_LAPSED;
	return grant->expires_unix_ms - now_unix_ms <= GRANT_EXPIRING_MS ? GRANT_LIFE_EXPIRING
									 : GRANT_LIFE_APPROVED;
}

const char *grant_life_name(enum grant_life life)
{
	static const char *const names[] = {
		[GRANT_LIFE_REQUESTED] = "requested",
		[GRANT_LIFE_APPROVED] = "approved",
		[GRANT_LIFE_EXPIRING] = "expiring",
		[GRANT_LIFE_LAPSED] = "lapsed",
		[GRANT_LIFE_SUSPENDED] = "suspended",
		[GRANT_LIFE_REVOKED] = "revoked",
	};

	return names[life];
}
