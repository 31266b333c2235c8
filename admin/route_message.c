#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/message_json.h"
#include "admin/relative.h"
#include "admin/routes.h"
#include "admin/service.h"
#include "queue/id.h"

/* 0, or -1 with an answer that says what is wrong. */
static int find_id(const struct request *request, uint64_t *id, struct answer *answer)
{
	if (id_parse(request->segments[0], id) == 0)
		return 0;
	answer_error(answer, 404,
		"There is no message \"%s\": an id is 1 to 16 hexadecimal digits, as listings show "
		"it.",
		request->segments[0]);
	return -1;
}

static void answer_no_message(struct answer *answer, const struct request *request)
{
	answer_error(answer, 404,
		"There is no message %s in the queue: it was delivered, bounced or deleted, or "
		"never "
		"was. The log says what became of it.",
		request->segments[0]);
}

static struct envelope *find_message(
	struct service *service, const struct request *request, struct answer *answer)
{
	struct envelope *envelope = NULL;
	uint64_t id;
	int rc;

	if (find_id(request, &id, answer) < 0)
		return NULL;
	rc = store_view_get(service->view, id, &envelope);
	if (rc == -ENOENT)
		answer_no_message(answer, request);
	else if (rc == -EBADMSG)
		answer_error(answer, 500,
			"The record of message %s is damaged. See the relay's log.",
			request->segments[0]);
	else if (rc < 0)
		answer_store_error(answer, rc);
	return envelope;
}

void route_message(struct service *service, const struct request *request, struct answer *answer)
{
	struct envelope *envelope = find_message(service, request, answer);
	struct snapshot snapshot;
	struct message_view view = {
		.store = service->store,
		.snapshot = &snapshot,
		.lifetime_ms = service->config->queue_lifetime_ms,
	};
	struct json json;

	if (envelope == NULL)
		return;
	ask_snapshot(service->ask, &envelope->id, 1, &snapshot);
	view.now_unix_ms = clock_unix_ms(service->clock);
	answer_begin_json(answer, 200, &json);
	message_write(&json, NULL, &view, envelope, true);
	answer_end_json(answer, &json);
	snapshot_fini(&snapshot);
	envelope_close(&envelope);
}

/* As it is delivered, or with as=received as the client sent it, behind the relay's trace. */
void route_content(struct service *service, const struct request *request, struct answer *answer)
{
	const char *as = request_parameter(request, "as");
	struct envelope *envelope;

	if (as != NULL && strcmp(as, "received") != 0) {
		answer_error(answer, 400,
			"as=%s: expected received, which is the text before it was repaired.", as);
		return;
	}
	envelope = find_message(service, request, answer);
	if (envelope == NULL)
		return;
	answer->content_as_received = as != NULL;
	answer->status = 200;
	answer->content_type = "message/rfc822";
	answer->content = envelope;
}

/* ---- acts ---- */

/* By act: what -EINVAL, a state that does not allow it, means to a person. */
static const char *const not_allowed[] = {
	[ACT_RETRY] = "Nothing of it waits for delivery; what is held has to be released first.",
	[ACT_HOLD] = "Nothing of it waits, so there is nothing to hold.",
	[ACT_RELEASE] = "It is not held.",
	[ACT_DELETE] = "Nothing of it is left to delete.",
};

static void answer_act_error(
	struct answer *answer, const struct request *request, enum act_verb verb, int error)
{
	const char *id = request->segments[0];

	switch (error) {
	case -ENOENT:
		answer_no_message(answer, request);
		break;
	case -EBUSY:
		answer_error(answer, 409,
			"Message %s is being delivered or scanned now, and was left alone. Ask "
			"again "
			"when the attempt is over.",
			id);
		break;
	case -EINVAL:
		answer_error(answer, 409, "Message %s was left alone. %s", id, not_allowed[verb]);
		break;
	case -EAGAIN:
		answer_error(answer, 503, "The scheduler does not answer. See the relay's log.");
		break;
	case -ETIMEDOUT:
		answer_error(answer, 503,
			"The store did not confirm it in time; it may still happen. Look at "
			"message %s "
			"before you ask again.",
			id);
		break;
	default:
		answer_error(answer, 503, "The store did not take it: %s. See the relay's log.",
			strerror(-error));
	}
}

static void do_act(struct service *service, const struct request *request, struct answer *answer,
	enum act_verb verb, uint64_t hold_until_unix_ms)
{
	struct json json;
	char text[ID_TEXT_SIZE];
	uint64_t id;
	int rc;

	if (find_id(request, &id, answer) < 0)
		return;
	rc = ask_act(service->ask, verb, id, hold_until_unix_ms, request->who);
	if (rc < 0) {
		answer_act_error(answer, request, verb, rc);
		return;
	}
	if (verb != ACT_DELETE) {
		route_message(service, request, answer);
		return;
	}
	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_write_text(&json, "id", id_format(id, text));
	json_write_text(&json, "state", "deleted");
	json_close(&json);
	answer_end_json(answer, &json);
}

void route_retry(struct service *service, const struct request *request, struct answer *answer)
{
	do_act(service, request, answer, ACT_RETRY, 0);
}

void route_release(struct service *service, const struct request *request, struct answer *answer)
{
	do_act(service, request, answer, ACT_RELEASE, 0);
}

void route_delete(struct service *service, const struct request *request, struct answer *answer)
{
	do_act(service, request, answer, ACT_DELETE, 0);
}

/* Without `until` the hold ends after the queue's lifetime. */
void route_hold(struct service *service, const struct request *request, struct answer *answer)
{
	const char *until = request_parameter(request, "until");
	uint64_t until_unix_ms = 0;

	if (until != NULL && (relative_parse_time(until, &until_unix_ms) < 0 ||
				     until_unix_ms <= clock_unix_ms(service->clock))) {
		answer_error(answer, 400,
			"until=%s: expected a time to come, as 2026-11-22T10:00:00Z.", until);
		return;
	}
	do_act(service, request, answer, ACT_HOLD, until_unix_ms);
}
