/*
 * session.h: one client's session with the server: its state, its deadlines, its replies. RFC 5321.
 *
 * The way of a session:
 *   1. session_open sends the banner. What a client sends before it is kept and answered in order.
 *   2. Input is read while the state takes some: command lines go to smtp/verb, text to smtp/verb_data. All replies of one
 *      turn leave in one send.
 *   3. A session that waits (for the writer, for room in the store, for its replies to be read) reads nothing; what
 *      was read and not used is kept and is first when it goes on.
 *   4. Each wait has its deadline (deadline.h).
 *   5. CLOSING: the last reply leaves, the peer's rest is dropped, the socket is closed. GONE: the client is no more; the
 *      session is freed as soon as the writer has no request of it.
 *
 *	          EHLO          MAIL          RCPT          DATA          final dot
 *	NEW ───────────► READY ──────► MAIL ──────► RCPT ──────► TEXT ───────────► STORING
 *	                 ▲ │ full store  ▲                                            │
 *	                 │ └───► HELD ───┘ room again                                 │
 *	                 └──────────── RSET, EHLO; the reply to the dot ──────────────┘
 *	RCPT ──BDAT──► TEXT ──► STORING ──► RCPT: a chunk that is not the last
 *	READY ──AUTH──► AUTH ──► CHECKING ──► READY: responses, then the desk (login.h)
 *	NEW, READY ──STARTTLS──► HANDSHAKE ──► NEW; with implicit TLS it begins there (handshake.h)
 *	any ──► CLOSING ──► GONE;   any ──► GONE (connection broken)
 *
 * Threads: its worker's. Owner: itself; it is freed from within the calls of its watch, timer and letters, and never
 * while a verb runs. It keeps a reference to the configuration that it began with.
 * Limits: an idle session has no buffers; see channel.h.
 */
#ifndef SLUICE_SMTP_SESSION_H
#define SLUICE_SMTP_SESSION_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/acceptor.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/loop.h"
#include "core/mailbox.h"
#include "queue/id.h"
#include "queue/intake.h"
#include "queue/permits.h"
#include "queue/quirk.h"
#include "queue/tally.h"
#include "smtp/auth_line.h"
#include "smtp/channel.h"
#include "smtp/command.h"
#include "smtp/device.h"
#include "smtp/handshake.h"
#include "smtp/manners.h"
#include "smtp/policy.h"
#include "smtp/receipt.h"
#include "smtp/transaction.h"

enum session_state {
	SESSION_NEW,
	SESSION_READY, /* greeted, no transaction */
	SESSION_AUTH, /* the next line is a response of AUTH's */
	SESSION_MAIL,
	SESSION_RCPT,
	SESSION_TEXT,
	SESSION_STORING, /* the final dot is read, its reply waits for the writer */
	SESSION_HELD, /* the reply to MAIL waits for room in the store */
	SESSION_CHECKING, /* the reply to AUTH waits for the desk, or for its time */
	SESSION_HANDSHAKE, /* of TLS */
	SESSION_CLOSING,
	SESSION_GONE,
};
#define SESSION_STATE_COUNT 12

LIST_HEAD(session_list, session);
TAILQ_HEAD(session_queue, session);

/* What the sessions of one worker share. */
struct session_shared {
	struct loop *loop;
	struct mailbox *inbox;
	const struct clock *clock;
	struct intake *intake;
	struct tally *tally; /* NULL: nothing is noted of clients */
	const struct writer *writer;
	struct id_source *ids;
	uint64_t seed; /* of this start's hashes of texts (queue/inspection.h) */
	struct admission *admission;
	struct tls_set *tls; /* the newest; NULL: there is none */
	struct tls_past *tls_past;
	unsigned handshake_steps; /* in this turn */
	struct permits *
		permits; /* who may send, never NULL; exchanged between turns: who keeps a grant shares it */
	struct channel_desk desk;
	struct auth_line auth;
	struct session_list sessions;
	size_t session_count;
	struct session_queue
		idle; /* of fragile listeners, between transactions; longest first (idle.h) */
	struct loop_timer idle_timer;
	struct session_queue later; /* had much to say: go on after the others had their turn */
	bool stopping;
};

struct session {
	struct session_shared *shared;
	struct config *config;
	const struct config_listener *listener;
	const struct policy *policy;
	const struct device *device; /* the client's profile */
	const char *domain; /* what an address without one gets; the configuration's */
	const char *
		charset; /* what its 8-bit text is taken for, where it does not say; the configuration's */
	struct quirk_set quirks; /* of the connection so far */
	struct quirk_set message_quirks; /* of the transaction */
	enum session_state state;
	bool esmtp;
	bool greeted_in_clear; /* and then began TLS, and has not greeted again */
	bool in_networks; /* the listener's */
	bool spoke, said_quit, helo_noted; /* for the ledger (notice.h) */
	bool ended_by_us;
	unsigned accepted; /* messages */
	bool wants_more; /* what is kept is a part of a line */
	bool is_later, is_idle; /* in the queue of that name */
	bool sent_cr; /* somewhere, in a command or a text: not only bare LFs end its lines */
	uint64_t skip_octets; /* of a refused BDAT: read and dropped */
	const char *skip_reply; /* then said */
	unsigned commands, bad_commands; /* since the start or the last message */
	char *helo; /* NULL: none yet */
	char *certificate; /* its fingerprint, as grant.h's; NULL: it showed none */
	char client[64];
	char *account; /* NULL: not logged in */
	unsigned login_failures;
	struct login *login; /* NULL: no AUTH is under way */
	bool said_auth; /* what it says may be a password: it is wiped when it was read */
	struct command_parser parser;
	struct manners manners;
	struct transaction *transaction;
	struct receipt receipt; /* of its last message */

	struct handshake handshake;
	int64_t end_mono_ms; /* of the session */
	int64_t waits_since_mono_ms; /* for a command, or for text */
	int64_t text_end_mono_ms; /* of the message that arrives */
	int64_t rate_end_mono_ms; /* of its minimum rate, when the listener is crowded */
	int64_t closing_end_mono_ms;
	int64_t blocked_since_mono_ms; /* replies wait to be read; 0: none */
	int64_t hold_end_mono_ms; /* patience with a full store; 0: nothing is held */
	int64_t retry_mono_ms; /* of what is held */

	struct channel channel;
	struct loop_watch watch;
	struct loop_timer timer;
	struct admission_ticket ticket;
	LIST_ENTRY(session) entry;
	TAILQ_ENTRY(session) later_entry, idle_entry;
};

/* ---- for the server ---- */

/* Takes `accepted` over. Without memory the client is closed without a word. */
void session_open(struct session_shared *shared, struct config *config,
	const struct config_listener *listener, struct accepted *accepted);
/* The daemon stops: an idle session ends, one with a message goes on to its reply. */
void session_stop(struct session *session);
/* Ends it without a reply; it may live on until the writer's answer. */
void session_cut(struct session *session);
/* Ends it, which has been idle longest, without a word to those that the profile spares. */
void session_give_way(struct session *session);
/* Its turn comes again after the others had theirs. */
void session_put_off(struct session *session);
/* Its turn again, from the `later` queue or after an answer. */
void session_resume(struct session *session);

/* ---- for the verbs ---- */

void session_move(struct session *session, enum session_state to);
const char *session_state_name(enum session_state state);

/*
 * One reply: "250 2.1.0 Ok", without CRLF. ASCII, and within 80 bytes as old clients have no more room, where our own name has
 * no more than 63; the lines of EHLO may be longer.
 */
void session_reply(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A 5xx to a command that the client got wrong or may not give: counted; too many end the session. */
void session_reject(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A refusal in words, `code` being "550 5.7.1": in lines of 80 bytes at most, where it needs several. ASCII. Counted once. */
void session_reject_text(struct session *session, const char *code, const char *text);
/* The same, not counted against the client: to its message. */
void session_reply_text(struct session *session, const char *code, const char *text);
/*
 * The same to one recipient of many: a lenient listener does not count it, or twenty wrong addresses would lose the message
 * for all others.
 */
void session_reject_one(struct session *session, const char *line);
/*
 * Notes what the client got wrong (quirk.h), once a connection or a message: what is wrong with the greeting belongs to all
 * messages of the connection. `example` is the client's bytes, for the ledger; NULL: none.
 */
void session_quirk(
	struct session *session, enum quirk quirk, const void *example, size_t example_size);
/* The same with an example in words, where the bytes alone show nothing. */
void session_quirk_said(struct session *session, enum quirk quirk, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for all that the inspection found. */
void session_quirks(struct session *session, const struct inspection_result *found);
/* Counts a trouble that a fragile client met (policy.h), where it is not told by session_trouble. */
void session_count_refusal(const struct session *session, enum trouble trouble);
/* What the profile does about it (policy.h). */
void session_trouble(struct session *session, enum trouble trouble);

/* True: the profile holds the reply, and its timer will come; false: it does not, or its patience is over. */
bool session_hold(struct session *session, enum trouble trouble);
/* Forgets the transaction: READY again, unless the session ends. */
void session_reset(struct session *session);

int64_t session_now_ms(const struct session *session);

#endif
