#include "admin/filter.h"
#include "admin/grant_filter.h"
#include "admin/routes.h"

#define GRANT_BODY_BYTES  (1u << 20)
#define GRANTS_BODY_BYTES (8u << 20) /* of many */

const struct route route_table[] = {
	{"GET", "/v1/status", route_status, ""},
	{"GET", "/v1/queue", route_queue, ""},
	{"GET", "/v1/queue/messages", route_messages, FILTER_PARAMETERS},
	{"GET", "/v1/queue/messages/{id}", route_message, ""},
	{"DELETE", "/v1/queue/messages/{id}", route_delete, ""},
	{"GET", "/v1/queue/messages/{id}/content", route_content, "as"},
	{"POST", "/v1/queue/messages/{id}/retry", route_retry, ""},
	{"POST", "/v1/queue/messages/{id}/hold", route_hold, "until"},
	{"POST", "/v1/queue/messages/{id}/release", route_release, ""},
	{"GET", "/v1/hosts", route_hosts, ""},
	{"POST", "/v1/hosts/{host}/pause", route_pause, ""},
	{"POST", "/v1/hosts/{host}/resume", route_resume, ""},
	{"GET", "/v1/clients", route_clients, "limit after quirk"},
	{"GET", "/v1/clients/{address}", route_client, ""},
	{"POST", "/v1/clients/{who}/suspend", route_client_suspend, "queue reason"},
	{"POST", "/v1/clients/{who}/resume", route_client_resume, "reason"},
	{"GET", "/v1/suspensions", route_suspensions, "limit after"},
	{"GET", "/v1/lockouts", route_lockouts, ""},
	{"DELETE", "/v1/lockouts/{who}", route_unlock, ""},
	/* the fixed paths first: no grant has their names */
	{"GET", "/v1/grants", route_grants, GRANT_FILTER_PARAMETERS},
	{"POST", "/v1/grants", route_grant_create, "approve ownerless until for reason",
		GRANT_BODY_BYTES},
	{"GET", "/v1/grants/export", route_grant_export, "limit after"},
	{"POST", "/v1/grants/import", route_grant_import, "dry_run replace reason",
		GRANTS_BODY_BYTES},
	{"GET", "/v1/grants/log", route_grants_log, "limit after"},
	{"GET", "/v1/grants/explain", route_grant_explain, "client from account certificate"},
	{"GET", "/v1/grants/{name}", route_grant, ""},
	{"PUT", "/v1/grants/{name}", route_grant_change, "revision reason", GRANT_BODY_BYTES},
	{"GET", "/v1/grants/{name}/log", route_grant_log, "limit after"},
	{"POST", "/v1/grants/{name}/approve", route_grant_approve,
		"until for ownerless revision reason"},
	{"POST", "/v1/grants/{name}/renew", route_grant_renew,
		"until for ownerless revision reason"},
	{"POST", "/v1/grants/{name}/suspend", route_grant_suspend, "revision reason"},
	{"POST", "/v1/grants/{name}/resume", route_grant_resume, "revision reason"},
	{"POST", "/v1/grants/{name}/revoke", route_grant_revoke, "revision reason"},
	{"POST", "/v1/reload", route_reload, ""},
	{"GET", "/metrics", route_metrics, ""},
};
const size_t route_count = sizeof(route_table) / sizeof(route_table[0]);
