/*
 * verb_permission.h: what the session's client may (permission.h), asked where the verbs need it.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_VERB_PERMISSION_H
#define SLUICE_SMTP_VERB_PERMISSION_H

#include <stdbool.h>

#include "smtp/session.h"

/* Who the client is to grants and networks: a Unix socket's is on this host. */
const struct address *verb_permission_peer(const struct session *session);

/*
 * At MAIL, where a login is required and missing: whether a lenient listener serves the client without one, as it has a grant
 * (Q-109).
 */
bool verb_permission_without_login(struct session *session);
/* A message was refused for its size: the owner of the grant by which it came is told, once a day at most. */
void verb_permission_tell_oversize(struct session *session, uint64_t size_bytes);
/* At MAIL: decides of the transaction's reverse-path. */
void verb_permission_mail(struct session *session);

/* At RCPT, of each recipient. */
enum permission_answer verb_permission_rcpt(const struct session *session, const char *recipient);
/* The reply. A recipient that is out of reach is one of many, as in session_reject_one. */
void verb_permission_refuse_rcpt(struct session *session, enum permission_answer answer);

/* DATA without a recipient: true: because the client may not, which was said once more. */
bool verb_permission_data(struct session *session);

/* At DATA or BDAT: whether the text's authors will be judged. */
bool verb_permission_wants_authors(const struct session *session);
/*
 * At the final dot, before the envelope is made: what is not theirs is refused, or planned to be rewritten in `source`. False: the
 * transaction's refusal says why.
 */
bool verb_permission_text(struct session *session, struct inspection_source *source)
	__attribute__((warn_unused_result));
/* Behind transaction_inspect: what was found, and what could not be rewritten. False as above. */
bool verb_permission_found(struct session *session) __attribute__((warn_unused_result));

/* Why the message is refused. Returns `out`. */
/* Whether what was permitted at the final dot is so no longer. */
bool verb_permission_is_over(struct session *session);
const char *verb_permission_why(const struct session *session, char out[PERMISSION_TEXT_SIZE]);
/* Puts it into the envelope: sender, grant, lane, and the hold of a lapsed grant. False without memory. */
bool verb_permission_envelope(struct session *session, struct envelope *envelope)
	__attribute__((warn_unused_result));

#endif
