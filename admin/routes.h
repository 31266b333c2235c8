/*
 * routes.h: the handlers that route_table names, a file a group.
 */
#ifndef SLUICE_ADMIN_ROUTES_H
#define SLUICE_ADMIN_ROUTES_H

#include "admin/json.h"
#include "admin/route.h"

/* route_status.c */
route_fn route_status;
/* route_queue.c */
route_fn route_queue, route_messages;
/* route_message.c */
route_fn route_message, route_content, route_retry, route_hold, route_release, route_delete;
/* route_hosts.c */
route_fn route_hosts, route_pause, route_resume;
/* route_clients.c */
route_fn route_clients, route_client;
/* route_suspensions.c */
route_fn route_suspensions, route_client_suspend, route_client_resume;
/* route_lockouts.c */
route_fn route_lockouts, route_unlock;
/* route_grants.c */
route_fn route_grants, route_grant, route_grant_export, route_grants_log, route_grant_log;
/* route_grant_acts.c */
route_fn route_grant_create, route_grant_change, route_grant_approve, route_grant_renew,
	route_grant_suspend, route_grant_resume, route_grant_revoke;
/* route_grant_import.c */
route_fn route_grant_import;
/* route_grant_explain.c */
route_fn route_grant_explain;
/* route_reload.c */
route_fn route_reload;
/* route_metrics.c */
route_fn route_metrics;

struct snapshot;
struct host_report;

void host_write(struct json *json, const char *name, const struct host_report *host);
void hosts_write(struct json *json, const char *name, const struct snapshot *snapshot);

#endif
