#include <errno.h>
#include <string.h>

#include "admin/routes.h"
#include "admin/service.h"

void route_reload(struct service *service, const struct request *request, struct answer *answer)
{
	struct reason reason = {.text = ""};
	struct json json;
	int rc = ask_reload(service->ask, &reason);

	(void)request;
	if (rc == -EINVAL) {
		answer_error(answer, 422, "%s; the old configuration stays.", reason.text);
	} else if (rc == -ETIMEDOUT) {
		answer_error(answer, 503,
			"The reload has not ended yet; the log will say \"reloaded\" or "
			"\"reload_failed\".");
	} else if (rc < 0) {
		answer_error(answer, 503, "%s; the old configuration stays.",
			reason.text[0] != '\0' ? reason.text : strerror(-rc));
	} else {
		answer_begin_json(answer, 200, &json);
		json_open_object(&json, NULL);
		json_write_bool(&json, "reloaded", true);
		json_write_text(&json, "config", service->config->path);
		json_close(&json);
		answer_end_json(answer, &json);
	}
}
