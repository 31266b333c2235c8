/*
 * permission.h: what a client may: hand over mail at all, to whom, and in whose name.
 *
 *   1. MAIL decides (permission_decide) who may relay, and whether the reverse-path is theirs. Nothing is refused there: a refusal
 *      is remembered, and said to each RCPT, as many devices ask for the recipient all the same and show the last reply alone;
 *      behind MAIL they would show "send MAIL first". (A login that the listener requires is missed at MAIL: verb_mail.c.)
 *   2. RCPT says it, or refuses a recipient that the grant does not reach.
 *   3. The final dot asks again if the table has changed meanwhile: a suspension counts from that moment. Then every author that
 *      the header shows (queue/authors.h) is judged.
 *
 * Who may relay: any of what the listener's `relay` names: to be in `networks`, a grant, a login. Before that, in this order:
 *   suspended (address or account)        refused
 *   its grant is suspended or revoked     refused, even where network or login would allow it
 *   its grant has lapsed                  taken and held within the grace, then refused
 * The grant is that of the most exact system (permits.h).
 *
 * In whose name: with a grant, what its patterns say: senders for the reverse-path, header_froms (else the senders) for the header;
 * without patterns anything outside our domains. An account may use its own address: "anna@example.edu" that one, "anna" anna@
 * each of `domains`; where a grant stands for that account itself or for a certificate, only what the grant says. Who is allowed by
 * `networks` alone may use our domains only where the listener says networks_use_domains. What is not ours anybody may use
 * who has no grant that says otherwise. A grant with GRANT_REWRITE and a mailbox is not refused: the mailbox stands instead.
 * The null reverse-path is nobody's name; what the header shows is judged all the same, of reports too. Our own bounces come through
 * no session.
 *
 * Threads: any; the session's keeps one in its transaction. Owner: permission_fini drops the table.
 */
#ifndef SLUICE_SMTP_PERMISSION_H
#define SLUICE_SMTP_PERMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "queue/authors.h"
#include "queue/permits.h"

enum permission_answer { /* all but the first are 550 5.7.1 */
	PERMISSION_YES,
	PERMISSION_STRANGER,
	PERMISSION_SUSPENDED, /* the address or the account */
	PERMISSION_GRANT_SUSPENDED,
	PERMISSION_GRANT_REVOKED,
	PERMISSION_GRANT_LAPSED,
	PERMISSION_SENDER, /* the reverse-path is not theirs */
	PERMISSION_REACH, /* the recipient is not in our domains */
	PERMISSION_AUTHOR, /* an address in From or Sender is not theirs */
	PERMISSION_UNREADABLE, /* From or Sender cannot be read, or is more than anybody reads */
};

/* Who asks, and by which rules. */
struct permission_terms {
	const struct config *config;
	const struct config_listener *listener;
	struct permit_client client;
	bool in_networks;
	uint64_t now_unix_ms;
};

#define PERMISSION_ABOUT_SIZE 128

/* What was decided. Zero-initialised is valid, and has no table: nobody has a grant then. */
struct permission {
	struct permits *permits; /* its own reference */
	enum permission_answer answer;
	const struct grant *grant; /* that decided, or NULL; the table's, as the next */
	const struct suspension *suspension;
	bool grant_is_network; /* the grant is for an address, so that a login says more */
	bool is_held; /* the grant has lapsed, and its mail is held */
	const char *sender; /* the reverse-path that stands for the one that was said; NULL: none */
	char about[PERMISSION_ABOUT_SIZE]; /* the address that was refused, cut; "": none */
};

void permission_fini(struct permission *permission);

/* By `permits`, which may be NULL; what was decided before is forgotten. `is_lenient`: a sender at no domain becomes the
 * grant's mailbox. */
void permission_decide(struct permission *permission, struct permits *permits,
	const struct permission_terms *terms, const char *reverse_path, bool is_lenient);

/* What the listener's `relay` names, and the client has: enum relay_way. 0: none. */
unsigned permission_ways(const struct permission *permission, const struct permission_terms *terms);

/* What becomes of the header's authors. */
enum permission_authors {
	AUTHORS_STAY,
	AUTHORS_NOWHERE, /* From is at no domain: the grant's mailbox stands instead, and nobody is to reply to what was there */
	AUTHORS_REWRITE, /* the mailbox stands instead */
	AUTHORS_REFUSED, /* `answer` says why */
};
/* Whether anything of them matters: else they need not be collected. */
bool permission_wants_authors(
	const struct permission *permission, const struct permission_terms *terms);
/* From must be theirs; what else is shown must be so only if it is in our domains. */
enum permission_authors permission_judge(struct permission *permission,
	const struct permission_terms *terms, const struct authors *authors, bool is_lenient);

/* PERMISSION_YES or PERMISSION_REACH. */
enum permission_answer permission_reach(const struct permission *permission,
	const struct permission_terms *terms, const char *recipient);

/* Whether `address` may stand in a From that we write: it is not ours, or theirs to use. */
bool permission_may_show(const struct permission *permission, const struct permission_terms *terms,
	const char *address);

/* A grant's mailbox, or NULL. */
const char *permission_mailbox(const struct permission *permission);
/* What is not theirs is rewritten to the mailbox. */
bool permission_rewrites(const struct permission *permission);

#define PERMISSION_TEXT_SIZE 480

/* Why not, for the one who reads it on a display: what, since when, whom to write to. ASCII. Returns `out`. */
const char *permission_explain(enum permission_answer answer, const struct permission *permission,
	const struct permission_terms *terms, const char *client, char out[PERMISSION_TEXT_SIZE]);
/* Why the message is held. */
const char *permission_hold_reason(
	const struct permission *permission, char out[PERMISSION_TEXT_SIZE]);
/* Until when. */
uint64_t permission_hold_end(
	const struct permission *permission, const struct permission_terms *terms);

#endif
