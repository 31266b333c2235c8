#include "admin/http.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/content.h"
#include "admin/peer.h"
#include "admin/route.h"

#define CONNECTIONS_MAX  64
#define CONNECTION_BYTES 32768 /* request line and headers, and what is being sent */
#define BODY_BYTES       65536
#define IDLE_S           30
#define IDLE_FOREIGN_S   5
#define REQUEST_MS       300000

struct client {
	TAILQ_ENTRY(client) entry;
	struct peer_identity peer;
	int fd;
	bool asking; /* its request has come, and is being answered */
	bool closing;
	int64_t deadline_mono_ms; /* of the request that it is at, or will send */
};

/* One request, from its headers to the end of its answer. */
struct exchange {
	struct request request;
	struct answer answer;
	const struct route *route; /* NULL: there is none, and the answer says so */
	struct bytes body;
	size_t body_bytes; /* that came */
	bool malformed; /* a parameter was not taken */
};

struct http {
	struct MHD_Daemon *daemon;
	struct service *service;
	int listen_fd, epoll_fd;
	TAILQ_HEAD(, client) clients; /* who has waited longest for the next request comes first */
	unsigned client_count;
};

/* ---- connections ---- */

static void set_deadline(const struct http *http, struct client *client)
{
	client->deadline_mono_ms = clock_mono_ms(http->service->clock) + REQUEST_MS;
}

static void greet(struct http *http, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL || info == NULL) {
		free(client);
		return; /* without a client nothing is answered */
	}
	client->fd = info->connect_fd;
	peer_identify(client->fd, &client->peer);
	set_deadline(http, client);
	if (!client->peer.allowed)
		MHD_set_connection_option(
			connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)IDLE_FOREIGN_S);
	TAILQ_INSERT_TAIL(&http->clients, client, entry);
	http->client_count++;
	*context = client;
}

static void notify_connection(void *owner, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http *http = owner;
	struct client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		greet(http, connection, context);
	} else if (client != NULL) {
		TAILQ_REMOVE(&http->clients, client, entry);
		http->client_count--;
		free(client);
		*context = NULL;
	}
}

static struct client *find_client(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* libmicrohttpd sees the end of the stream, and closes. */
static void close_client(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	client->closing = true;
}

void http_close_overdue(struct http *http)
{
	int64_t now_ms = clock_mono_ms(http->service->clock);
	struct client *client;

	TAILQ_FOREACH (client, &http->clients, entry) {
		if (client->deadline_mono_ms <= now_ms)
			close_client(client);
	}
}

/*
 * When there is no place left, who has been silent longest makes one: clients that only wait keep nobody out. True: a
 * client was told to go, and libmicrohttpd is to be run for it.
 */
static bool make_place(struct http *http)
{
	struct client *client;

	if (http->client_count < CONNECTIONS_MAX)
		return false;
	TAILQ_FOREACH (client, &http->clients, entry) {
		if (client->closing)
			return false;
		if (!client->asking) {
			close_client(client);
			return true;
		}
	}
	return false;
}

/* ---- answers ---- */

static struct MHD_Response *make_response(struct http *http, struct answer *answer)
{
	struct MHD_Response *response;

	if (answer->content != NULL)
		return content_respond(http->service->view, &answer->content,
			answer->content_as_received ? READ_AS_RECEIVED : READ_EIGHTBIT);
	response = MHD_create_response_from_buffer(
		answer->body.size, answer->body.data, MHD_RESPMEM_MUST_FREE);
	if (response != NULL)
		answer->body = (struct bytes){0}; /* the response's now */
	return response;
}

static enum MHD_Result send_answer(
	struct http *http, struct MHD_Connection *connection, struct answer *answer)
{
	struct MHD_Response *response = make_response(http, answer);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	if (answer->content_type != NULL)
		MHD_add_response_header(
			response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	if (answer->allow[0] != '\0')
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* Which route the request is for. Where there is none, the answer says so. */
static void find_route(struct exchange *exchange, const char *method, const char *path)
{
	struct answer *answer = &exchange->answer;

	switch (admin_route_find(route_table, route_count, method, path, &exchange->request,
		&exchange->route, answer->allow, sizeof(answer->allow))) {
	case ROUTE_NO_PATH:
		answer_error(answer, 404,
			"There is no %.200s here; docs/operating.md lists the routes.", path);
		return;
	case ROUTE_NO_METHOD:
		answer_error(answer, 405, "%.200s takes %s.", path, answer->allow);
		return;
	case ROUTE_MALFORMED:
		answer_error(answer, 400, "The path is malformed or too long.");
		return;
	case ROUTE_FOUND:
		answer->allow[0] = '\0';
		return;
	}
}

static void dispatch(struct http *http, struct exchange *exchange)
{
	struct request *request = &exchange->request;
	struct answer *answer = &exchange->answer;
	const struct route *route = exchange->route;
	const char *unknown;

	if (route == NULL)
		return;
	unknown = route_unknown_parameter(route, request);
	if (exchange->malformed)
		answer_error(answer, 400, "A parameter is malformed, too long, or given twice.");
	else if (unknown != NULL)
		answer_error(answer, 400, "There is no parameter \"%s\" here; %s%s.", unknown,
			route->parameters[0] ? "there are: " : "the route takes none",
			route->parameters);
	else
		route->handle(http->service, request, answer);
}

/* ---- requests ---- */

static enum MHD_Result take_parameter(
	void *owner, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct exchange *exchange = owner;

	(void)kind;
	if (request_add_parameter(&exchange->request, name, value) < 0)
		exchange->malformed = true;
	return exchange->malformed ? MHD_NO : MHD_YES;
}

static void name_peer(struct request *request, const struct peer_identity *peer)
{
	if (peer->uid == 0)
		snprintf(request->who, sizeof(request->who), "root");
	else
		snprintf(request->who, sizeof(request->who), "uid %u", (unsigned)peer->uid);
}

static size_t body_max(const struct exchange *exchange)
{
	const struct route *route = exchange->route;

	return route != NULL && route->body_max > 0 ? route->body_max : BODY_BYTES;
}

static bool announces_too_much(struct MHD_Connection *connection, size_t most)
{
	const char *length = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length != NULL && strtoull(length, NULL, 10) > most;
}

static enum MHD_Result refuse_body(
	struct http *http, struct MHD_Connection *connection, struct exchange *exchange)
{
	answer_error(&exchange->answer, 413, "The body is over %zu bytes; %s.", body_max(exchange),
		exchange->route != NULL && exchange->route->body_max > 0
			? "send it in several requests"
			: "the route takes none");
	return send_answer(http, connection, &exchange->answer);
}

/* The headers have come. */
static enum MHD_Result begin(struct http *http, struct MHD_Connection *connection,
	const char *method, const char *path, void **context)
{
	struct client *client = find_client(connection);
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	*context = exchange;
	if (client == NULL || exchange == NULL)
		return MHD_NO;
	client->asking = true;
	if (!client->peer.allowed) {
		answer_error(&exchange->answer, 403,
			"Only root, the relay's user and members of its group may use this "
			"socket.");
		return send_answer(http, connection, &exchange->answer);
	}
	find_route(exchange, method, path);
	if (announces_too_much(connection, body_max(exchange)))
		return refuse_body(http, connection, exchange);
	name_peer(&exchange->request, &client->peer);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_parameter, exchange);
	return MHD_YES;
}

/* A body without a length that is too long can only be cut off. */
static bool take_body(struct exchange *exchange, const char *body, size_t size)
{
	exchange->body_bytes += size;
	if (exchange->body_bytes > body_max(exchange))
		return false;
	if (exchange->route == NULL || exchange->route->body_max == 0)
		return true;
	return bytes_append(&exchange->body, body, size);
}

/* False without memory. */
static bool end_body(struct exchange *exchange)
{
	if (!bytes_append(&exchange->body, "", 1))
		return false;
	exchange->request.body = (const char *)exchange->body.data;
	exchange->request.body_size = exchange->body.size - 1;
	return true;
}

static enum MHD_Result handle(void *owner, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *body, size_t *body_size,
	void **context)
{
	struct http *http = owner;
	struct exchange *exchange = *context;

	(void)version;
	if (exchange == NULL)
		return begin(http, connection, method, path, context);
	if (*body_size > 0) {
		bool taken = take_body(exchange, body, *body_size);

		*body_size = 0;
		return taken ? MHD_YES : MHD_NO;
	}
	if (!end_body(exchange))
		return MHD_NO;
	dispatch(http, exchange);
	return send_answer(http, connection, &exchange->answer);
}

static void notify_completed(void *owner, struct MHD_Connection *connection, void **context,
	enum MHD_RequestTerminationCode code)
{
	struct http *http = owner;
	struct exchange *exchange = *context;
	struct client *client = find_client(connection);

	(void)code;
	if (client != NULL) {
		client->asking = false;
		set_deadline(http, client);
		TAILQ_REMOVE(&http->clients, client, entry);
		TAILQ_INSERT_TAIL(&http->clients, client, entry);
	}
	if (exchange != NULL) {
		answer_fini(&exchange->answer);
		bytes_fini(&exchange->body);
	}
	free(exchange);
	*context = NULL;
}

/* Paths and parameters are decoded by request.h, after they were taken apart: an encoded slash is not a separator. */
static size_t leave_encoded(void *owner, struct MHD_Connection *connection, char *text)
{
	(void)owner;
	(void)connection;
	return strlen(text);
}

/* ---- open and close ---- */

static int start_daemon(struct http *http, struct reason *reason)
{
	const union MHD_DaemonInfo *info;

	http->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, http,
		MHD_OPTION_LISTEN_SOCKET, http->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, notify_connection,
		http, MHD_OPTION_NOTIFY_COMPLETED, notify_completed, http,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, http, MHD_OPTION_END);
	if (http->daemon == NULL)
		return reason_set(reason, "admin socket: libmicrohttpd does not start");
	http->listen_fd = -1; /* the daemon's */
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL)
		return reason_set(reason, "admin socket: libmicrohttpd has no epoll");
	http->epoll_fd = info->epoll_fd;
	return 0;
}

int http_open(struct http **out, struct service *service, int listen_fd, struct reason *reason)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return reason_set(reason, "admin socket: out of memory");
	http->service = service;
	http->epoll_fd = -1;
	TAILQ_INIT(&http->clients);
	/* libmicrohttpd closes the socket that it listens on; the caller's stays. */
	http->listen_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
	if (http->listen_fd < 0)
		reason_set(reason, "admin socket: %s", strerror(errno));
	if (http->listen_fd < 0 || start_daemon(http, reason) < 0) {
		http_close(&http);
		return -1;
	}
	*out = http;
	return 0;
}

void http_close(struct http **http)
{
	if (http == NULL || *http == NULL)
		return;
	if ((*http)->daemon != NULL)
		MHD_stop_daemon((*http)->daemon);
	if ((*http)->listen_fd >= 0)
		close((*http)->listen_fd);
	free(*http);
	*http = NULL;
}

int http_fd(const struct http *http)
{
	return http->epoll_fd;
}

int http_step(struct http *http)
{
	bool was_full = http->client_count >= CONNECTIONS_MAX;
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(http->daemon);
	/* It looks at its listening socket again only in the run after one that made place. */
	if (make_place(http) || (was_full && http->client_count < CONNECTIONS_MAX))
		return 0;
	if (MHD_get_timeout(http->daemon, &wait_ms) != MHD_YES)
		return -1;
	return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}
