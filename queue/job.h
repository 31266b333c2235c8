/*
 * job.h: one unit of work, (message, upstream), on its way from the scheduler to delivery and back.
 *
 *   1. The scheduler claims a due unit, picks a host, and sends the job to delivery's inbox.
 *   2. Delivery reads the envelope, does one or more transactions on one host, and fills in what happened; for
 *      recipients that failed for good it adds the finished bounce.
 *   3. The job comes back to the scheduler, which applies the reply table to the host, and sends the settle request to
 *      the writer when anything durable changed. Its answer ends the claim, and the job is freed.
 *
 * Owner: whoever has it; the scheduler makes and frees it. Credits: the scheduler has a fixed number of jobs.
 */
#ifndef SLUICE_QUEUE_JOB_H
#define SLUICE_QUEUE_JOB_H

#include <stdatomic.h>

#include "core/config.h"
#include "core/mailbox.h"
#include "queue/permits.h"
#include "queue/reply.h"
#include "queue/writer.h"

#define JOB_REPLY_SIZE 512

/*
 * What became of one recipient that was tried:
 *   ACCEPTED   upstream has the message for it (2xx to the final dot): delivered.
 *   FAIL       final; delivery has put its bounce in `bounces`. A 5xx for the whole message is told here too, for each.
 *   DEFER      charged.
 *   SPLIT      to be tried again at once, free.
 *   UNCHANGED  goes the way of the message: as the job's stage and class say. So does one that is not listed.
 * One job may be several transactions: some recipients ACCEPTED, while stage and class tell of a later failure.
 */
struct job_recipient {
	size_t index; /* in the envelope's recipients */
	enum recipient_effect effect;
	const char *reply; /* cleaned; the envelope's text */
	const char *status; /* enhanced status code; the envelope's text */
};

struct job {
	struct letter letter;

	/* the scheduler's, read by delivery */
	uint64_t id;
	uint16_t upstream_number;
	struct config *config; /* a reference; what the next two point into */
	const struct config_upstream
		*upstream; /* NULL with `expired` when it is no longer configured */
	const struct config_host *host; /* NULL with `expired` */
	uint32_t
		host_key; /* the host's in delivery's pools; another one after its settings changed */
	uint32_t
		host_epoch; /* changes with the host's state: a late failure of an earlier one does not count twice */
	unsigned connections_allowed; /* to this host now (slow start); a probe may open one */
	bool probe;
	bool expired; /* write the bounce, deliver nothing */
	bool lapsed; /* expired in another way: those are meant that are held for their grant (HOLD_LAPSED), and they are told why */
	struct permits *permits; /* who is suspended, as of now; a reference; NULL: nobody */
	_Atomic bool
		stopped; /* set while delivery has it: its text is not sent to the end. Release by the scheduler, acquire by delivery */
	uint64_t now_unix_ms; /* when it was handed out */
	uint64_t
		due_unix_ms; /* recipients due by then are meant; of an expired one it may lie ahead */

	/* delivery's */
	struct envelope
		*envelope; /* as read; NULL when it was gone or damaged (see `read_error`) */
	int read_error; /* 0, -ENOENT (deleted meanwhile), -EBADMSG (damaged: is held), -ECANCELED (whose it is, is suspended), others: not now */
	enum reply_stage stage; /* what decided for the message */
	enum reply_class class;
	char reply[JOB_REPLY_SIZE]; /* cleaned: printable ASCII, one line */
	bool reply_is_ours; /* the host said nothing: operators are not shown it as the host's */
	char status[16]; /* enhanced status code, or "" */
	struct job_recipient *recipients; /* what became of each that was tried */
	size_t recipient_count;
	unsigned
		delivering; /* not 0: its connection was refused while so many to the same host delivered */
	struct message *bounces; /* to be added with the outcome */

	/* the scheduler's again */
	struct writer_request settle;
	struct job *next;
};

#endif
