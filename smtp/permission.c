#include "smtp/permission.h"

#include <stdio.h>
#include <string.h>

#include "core/ascii.h"
#include "smtp/ours.h"

void permission_fini(struct permission *permission)
{
	permits_close(&permission->permits);
	*permission = (struct permission){0};
}

const char *permission_mailbox(const struct permission *permission)
{
	const struct grant *grant = permission->grant;

	return grant != NULL && grant->mailbox[0] != '\0' ? grant->mailbox : NULL;
}

bool permission_rewrites(const struct permission *permission)
{
	return permission_mailbox(permission) != NULL && permission->grant->spoof == GRANT_REWRITE;
}

/* ---- in whose name ---- */

/* "anna@example.edu" is its own address; "anna" is anna@ each of our domains, but of none below one. */
static bool is_of_account(const struct permission_terms *terms, const char *plain)
{
	const char *account = terms->client.account, *mark = strrchr(plain, '@');
	char own[OURS_ADDRESS_SIZE];

	if (account == NULL || (terms->listener->relay & RELAY_AUTH) == 0)
		return false;
	if (strchr(account, '@') != NULL)
		return ours_make_plain(account, own) && ascii_equals(own, strlen(own), plain);
	return ascii_equals(plain, (size_t)(mark - plain), account) &&
	       ours_names_domain(terms->config, mark + 1);
}

static bool grant_allows(const struct permission *permission, const struct permission_terms *terms,
	const struct grant_texts *patterns, const char *plain)
{
	const char *mailbox = permission_mailbox(permission);

	if (mailbox != NULL && ascii_equals(plain, strlen(plain), mailbox))
		return true;
	if (patterns->count == 0 ? !ours_has(terms->config, plain)
				 : grant_find_pattern(patterns, plain) != NULL)
		return true;
	return permission->grant_is_network && is_of_account(terms, plain);
}

static bool may_use(const struct permission *permission, const struct permission_terms *terms,
	const char *address, bool in_header)
{
	const struct grant *grant = permission->grant;
	char plain[OURS_ADDRESS_SIZE];

	if (grant == NULL && terms->config->domains.count == 0)
		return true;
	if (!ours_make_plain(address, plain))
		return grant == NULL || grant->senders.count == 0;
	if (grant != NULL)
		return grant_allows(permission, terms,
			in_header && grant->header_froms.count > 0 ? &grant->header_froms
								   : &grant->senders,
			plain);
	return !ours_has(terms->config, plain) || is_of_account(terms, plain) ||
	       (terms->in_networks && (terms->listener->relay & RELAY_NETWORK) != 0 &&
		       terms->listener->networks_use_domains);
}

/* ---- who may relay ---- */

unsigned permission_ways(const struct permission *permission, const struct permission_terms *terms)
{
	unsigned has = 0;

	if (terms->in_networks)
		has |= RELAY_NETWORK;
	if (permission->grant != NULL)
		has |= RELAY_GRANT;
	if (terms->client.account != NULL)
		has |= RELAY_AUTH;
	return has & terms->listener->relay;
}

uint64_t permission_hold_end(
	const struct permission *permission, const struct permission_terms *terms)
{
	return permission->grant->expires_unix_ms + (uint64_t)terms->config->grace_ms;
}

/* Sets the grant; what of it is an answer already. */
static enum permission_answer ask_grants(struct permission *permission,
	const struct permission_terms *terms, const char *reverse_path)
{
	struct permit_group group = permits_find(permission->permits, &terms->client);
	struct permit_choice choice;
	char plain[OURS_ADDRESS_SIZE];
	bool is_plain;

	if (group.count == 0)
		return PERMISSION_YES;
	is_plain = ours_make_plain(reverse_path, plain);
	choice = permits_choose(&group, is_plain ? plain : reverse_path,
		is_plain && ours_has(terms->config, plain), terms->now_unix_ms);
	permission->grant = choice.grant;
	permission->grant_is_network = group.level == PERMIT_BY_NETWORK;
	switch (choice.answer) {
	case PERMIT_SUSPENDED:
		return PERMISSION_GRANT_SUSPENDED;
	case PERMIT_REVOKED:
		return PERMISSION_GRANT_REVOKED;
	case PERMIT_LAPSED:
		permission->is_held = terms->now_unix_ms < permission_hold_end(permission, terms);
		return permission->is_held ? PERMISSION_YES : PERMISSION_GRANT_LAPSED;
	case PERMIT_NONE:
	case PERMIT_YES:
	case PERMIT_SENDER:
		break;
	}
	return PERMISSION_YES;
}

static void set_about(struct permission *permission, const char *address)
{
	snprintf(permission->about, sizeof(permission->about), "%s", address);
}

/* The reverse-path, of one that may relay. */
static enum permission_answer judge_sender(struct permission *permission,
	const struct permission_terms *terms, const char *reverse_path, bool is_lenient)
{
	if (reverse_path[0] == '\0')
		return PERMISSION_YES;
	if (is_lenient && permission_mailbox(permission) != NULL && ours_is_nowhere(reverse_path)) {
		permission->sender = permission_mailbox(permission);
		return PERMISSION_YES;
	}
	if (may_use(permission, terms, reverse_path, false))
		return PERMISSION_YES;
	if (permission_rewrites(permission)) {
		permission->sender = permission_mailbox(permission);
		return PERMISSION_YES;
	}
	set_about(permission, reverse_path);
	return PERMISSION_SENDER;
}

static enum permission_answer decide(struct permission *permission,
	const struct permission_terms *terms, const char *reverse_path, bool is_lenient)
{
	enum permission_answer answer = PERMISSION_YES;

	if (permission->permits != NULL) {
		permission->suspension = permits_suspension(permission->permits, &terms->client);
		if (permission->suspension != NULL)
			return PERMISSION_SUSPENDED;
		answer = ask_grants(permission, terms, reverse_path);
	}
	if (answer == PERMISSION_YES && permission_ways(permission, terms) == 0)
		answer = PERMISSION_STRANGER;
	if (answer != PERMISSION_YES)
		return answer;
	return judge_sender(permission, terms, reverse_path, is_lenient);
}

void permission_decide(struct permission *permission, struct permits *permits,
	const struct permission_terms *terms, const char *reverse_path, bool is_lenient)
{
	struct permits *shared = permits != NULL ? permits_share(permits) : NULL;

	permission_fini(permission);
	permission->permits = shared;
	permission->answer = decide(permission, terms, reverse_path, is_lenient);
}

/* "x%else.example@ours", "else.example!x@ours", "\"x@else.example\"@ours": who takes it for our domains may send it on. */
static bool routes_on(const char *plain)
{
	return strcspn(plain, "%!@") != (size_t)(strrchr(plain, '@') - plain);
}

enum permission_answer permission_reach(const struct permission *permission,
	const struct permission_terms *terms, const char *recipient)
{
	char plain[OURS_ADDRESS_SIZE];

	if (permission->grant == NULL || permission->grant->reach != GRANT_INTERNAL)
		return PERMISSION_YES;
	if (strchr(recipient, '@') == NULL) /* <postmaster> */
		return PERMISSION_YES;
	return ours_make_plain(recipient, plain) && ours_has(terms->config, plain) &&
			       !routes_on(plain)
		       ? PERMISSION_YES
		       : PERMISSION_REACH;
}

/* ---- the header ---- */

bool permission_wants_authors(
	const struct permission *permission, const struct permission_terms *terms)
{
	return permission->grant != NULL || terms->config->domains.count > 0;
}

/* Somebody at the domain, whoever: allowed to who may be anybody there. */
static bool may_use_domain(const struct permission *permission,
	const struct permission_terms *terms, const char *domain)
{
	char address[OURS_ADDRESS_BYTES];

	snprintf(address, sizeof(address), "*@%s", domain);
	return may_use(permission, terms, address, true);
}

static bool is_ours(const struct permission_terms *terms, const char *address)
{
	char plain[OURS_ADDRESS_SIZE];

	return ours_make_plain(address, plain) && ours_has(terms->config, plain);
}

static bool is_allowed(const struct permission *permission, const struct permission_terms *terms,
	enum author_kind kind, const char *text)
{
	char address[OURS_ADDRESS_BYTES];

	if (kind == AUTHOR_DOMAIN) {
		snprintf(address, sizeof(address), "@%s", text);
		return !is_ours(terms, address) || may_use_domain(permission, terms, text);
	}
	if (kind != AUTHOR_FROM && !is_ours(terms, text))
		return true;
	return may_use(permission, terms, text, true);
}

bool permission_may_show(const struct permission *permission, const struct permission_terms *terms,
	const char *address)
{
	return is_allowed(permission, terms, AUTHOR_SHOWN, address);
}

enum permission_authors permission_judge(struct permission *permission,
	const struct permission_terms *terms, const struct authors *authors, bool is_lenient)
{
	bool mends = is_lenient && permission_mailbox(permission) != NULL, is_nowhere = false;
	const char *text = NULL;
	enum author_kind kind;

	while ((text = authors_next(authors, text, &kind)) != NULL) {
		if (mends && ours_is_nowhere(text)) {
			is_nowhere |= kind == AUTHOR_FROM;
			continue;
		}
		if (is_allowed(permission, terms, kind, text))
			continue;
		if (permission_rewrites(permission))
			return AUTHORS_REWRITE;
		permission->answer = PERMISSION_AUTHOR;
		set_about(permission, text);
		return AUTHORS_REFUSED;
	}
	if (!authors->is_over && !authors->is_hidden)
		return is_nowhere ? AUTHORS_NOWHERE : AUTHORS_STAY;
	if (permission_rewrites(permission))
		return AUTHORS_REWRITE;
	permission->answer = PERMISSION_UNREADABLE;
	return AUTHORS_REFUSED;
}
