/*
 * client_json.h: a client of the ledger (queue/ledger.h) as the API shows it.
 *
 * Threads: any, values only.
 */
#ifndef SLUICE_ADMIN_CLIENT_JSON_H
#define SLUICE_ADMIN_CLIENT_JSON_H

#include <stdbool.h>

#include "admin/json.h"
#include "queue/ledger.h"

/* `report`: with what Sluice does about each quirk, what the owner could change, and a hint. */
void client_write(
	struct json *json, const char *name, const struct ledger_client *client, bool report);

/* A named profile that may help, as a sentence; NULL: none is known. */
const char *client_hint(const struct ledger_client *client);

#endif
