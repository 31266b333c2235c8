/*
 * route.h: which upstream a recipient's domain goes to.
 *
 * Most exact first: "example.edu", then "*.example.edu" (longest first), then "*". Domains are compared without case, and one in
 * UTF-8 (SMTPUTF8) as its A-labels, which is how routes are written;
 * an address literal or a missing domain goes to "*".
 */
#ifndef SLUICE_SMTP_ROUTE_H
#define SLUICE_SMTP_ROUTE_H

#include "core/config.h"

/* NULL: no route (none matches and there is no "*"). `address` is a path without angle brackets. */
const struct config_upstream *route_find(const struct config *config, const char *address);

#endif
