#include "core/renewal.h"

#include <stdint.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/tls.h"
#include "core/worker.h"
#include "smtp/server.h"

#define WARN_AGAIN_MS INT64_C(86400000)

struct renewal {
	struct daemon *daemon;
	struct loop_timer timer;
	uint64_t used, seen; /* stamps of the files: in use, and at the last look */
	int64_t warned_mono_ms;
};

static void renew(struct renewal *renewal)
{
	struct daemon *daemon = renewal->daemon;
	struct tls_set *tls;
	struct reason reason = {.text = ""};

	if (tls_set_open(daemon->config, &tls, &reason) < 0) {
		log_event(LOG_ERROR, "certificate_refused",
			"why=\"%s\" hint=\"the old certificates stay\"", reason.text);
		return;
	}
	if (server_configure(daemon->server, daemon->config, tls,
		    worker_pool_inboxes(daemon->workers), daemon->config->workers) < 0)
		log_event(LOG_ERROR, "reload_incomplete",
			"why=\"no memory for the clients' threads\" hint=\"reload again\"");
	tls_set_close(&daemon->tls);
	daemon->tls = tls;
	log_event(LOG_NOTICE, "certificate_renewed", "hint=\"new connections get it\"");
	renewal->warned_mono_ms = 0;
}

static void look(void *owner)
{
	struct renewal *renewal = owner;
	struct daemon *daemon = renewal->daemon;
	int64_t now = loop_now_ms(daemon->loop);
	uint64_t stamp = tls_files_stamp(daemon->config);

	if (stamp != renewal->used && stamp == renewal->seen) {
		renewal->used = stamp;
		renew(renewal);
	}
	renewal->seen = stamp;
	if (now - renewal->warned_mono_ms >= WARN_AGAIN_MS || renewal->warned_mono_ms == 0) {
		renewal->warned_mono_ms = now;
		tls_set_warn(daemon->tls, clock_unix_ms(&clock_system));
	}
	loop_timer_set(daemon->loop, &renewal->timer, now + RENEWAL_LOOK_MS);
}

void renewal_note(struct renewal *renewal)
{
	struct daemon *daemon = renewal->daemon;

	renewal->used = tls_set_stamp(daemon->tls);
	renewal->warned_mono_ms = 0;
	if (renewal->used != 0)
		look(renewal);
	else
		loop_timer_clear(daemon->loop, &renewal->timer);
}

struct renewal *renewal_open(struct daemon *daemon)
{
	struct renewal *renewal = calloc(1, sizeof(*renewal));

	if (renewal == NULL)
		return NULL;
	renewal->daemon = daemon;
	renewal->timer.owner = renewal;
	renewal->timer.fire = look;
	renewal_note(renewal);
	return renewal;
}

void renewal_close(struct renewal **renewal)
{
	if (*renewal == NULL)
		return;
	loop_timer_clear((*renewal)->daemon->loop, &(*renewal)->timer);
	free(*renewal);
	*renewal = NULL;
}
