/* Who is locked out after wrong passwords, and the end of it. */
#include <errno.h>
#include <string.h>

#include "admin/routes.h"
#include "admin/service.h"

static void answer_ask_error(struct answer *answer, int error)
{
	answer_error(answer, 503,
		"Who keeps the accounts did not answer (%s). Ask again in a moment; if it stays "
		"so, "
		"see the relay's log.",
		strerror(-error));
}

static void write_lockout(struct json *json, const struct lockout *lockout, uint64_t now_unix_ms)
{
	json_open_object(json, NULL);
	json_write_text(json, "kind", lockout->kind == LOCKOUT_ADDRESS ? "address" : "account");
	json_write_text(json, "who", lockout->who);
	json_write_number(json, "wrong", lockout->wrong);
	json_write_time(json, "since", now_unix_ms - (uint64_t)lockout->age_ms);
	json_write_time(json, "until", now_unix_ms + (uint64_t)lockout->left_ms);
	json_close(json);
}

void route_lockouts(struct service *service, const struct request *request, struct answer *answer)
{
	uint64_t now_unix_ms = clock_unix_ms(service->clock);
	struct lockout_list list;
	struct json json;
	int rc = ask_lockouts(service->ask, &list);

	(void)request;
	if (rc < 0) {
		answer_ask_error(answer, rc);
		return;
	}
	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_open_list(&json, "lockouts");
	for (size_t i = 0; i < list.count; i++)
		write_lockout(&json, &list.items[i], now_unix_ms);
	json_close(&json);
	json_write_number(&json, "total", list.total);
	json_close(&json);
	answer_end_json(answer, &json);
	lockout_list_fini(&list);
}

void route_unlock(struct service *service, const struct request *request, struct answer *answer)
{
	const char *who = request->segments[0];
	struct json json;
	int rc = ask_unlock(service->ask, who, request->who);

	if (rc == -ENOENT) {
		answer_error(answer, 404,
			"%.100s is not locked out; sluice auth lockouts (GET /v1/lockouts) shows "
			"who "
			"is.",
			who);
		return;
	}
	if (rc < 0) {
		answer_ask_error(answer, rc);
		return;
	}
	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_write_text(&json, "unlocked", who);
	json_close(&json);
	answer_end_json(answer, &json);
}
