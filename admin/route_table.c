#include "admin/filter.h"
#include "admin/routes.h"

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
	{"POST", "/v1/clients/{address}/suspend", route_client_later, ""},
	{"POST", "/v1/clients/{address}/resume", route_client_later, ""},
	{"GET", "/v1/lockouts", route_lockouts, ""},
	{"DELETE", "/v1/lockouts/{who}", route_unlock, ""},
	{"POST", "/v1/reload", route_reload, ""},
	{"GET", "/metrics", route_metrics, ""},
};
const size_t route_count = sizeof(route_table) / sizeof(route_table[0]);
