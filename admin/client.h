/*
 * client.h: the command's side of the admin socket: HTTP over the Unix socket, by libcurl.
 *
 * Threads: one. Owner: client_close frees; a reply's body is the caller's.
 * Errors: a code of sysexits(3) and a reason that says what to do: 69 not reachable, 77 no permission, 76 an answer that
 * is none or over a limit. What the relay answers, errors too, is a reply.
 * Limits: an answer of CLIENT_ANSWER_BYTES, but for client_fetch; CLIENT_TIMEOUT_S for all of it.
 */
#ifndef SLUICE_ADMIN_CLIENT_H
#define SLUICE_ADMIN_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

#include "core/bytes.h"
#include "core/reason.h"

#define CLIENT_ANSWER_BYTES (8u << 20)
#define CLIENT_TIMEOUT_S    60

struct client;

struct client_reply {
	long status; /* of HTTP */
	struct bytes body; /* ended by a NUL that is not counted */
};

/* NULL without memory. */
struct client *client_open(const char *socket_path);
void client_close(struct client **client);

/* Replaces what is in `reply`. `method` is GET, POST, PUT or DELETE. */
int client_call(struct client *client, const char *method, const char *path,
	struct client_reply *reply, struct reason *reason);
/* POST or PUT with a body of JSON. */
int client_send(struct client *client, const char *method, const char *path, const char *body,
	struct client_reply *reply, struct reason *reason);
/* GET of something large: a 200's body goes to `to`, and nothing of it into the reply. */
int client_fetch(struct client *client, const char *path, FILE *to, struct client_reply *reply,
	struct reason *reason);

/* A segment or a value with everything encoded that is not plain; false without memory. */
bool client_append_encoded(struct bytes *path, const char *text)
	__attribute__((warn_unused_result));

#endif
