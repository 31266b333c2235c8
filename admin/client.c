#include "admin/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 5
#define STALLED_S         30

struct client {
	CURL *curl;
	char *socket_path;
};

/* Where an answer goes while it arrives. */
struct arrival {
	CURL *curl;
	struct client_reply *reply;
	FILE *file; /* of a 200; or NULL */
	bool too_large;
};

static size_t take(char *from, size_t one, size_t size, void *owner)
{
	struct arrival *arrival = owner;
	long status = 0;

	(void)one;
	curl_easy_getinfo(arrival->curl, CURLINFO_RESPONSE_CODE, &status);
	if (arrival->file != NULL && status == 200)
		return fwrite(from, 1, size, arrival->file);
	if (arrival->reply->body.size + size > CLIENT_ANSWER_BYTES) {
		arrival->too_large = true;
		return 0;
	}
	return bytes_append(&arrival->reply->body, from, size) ? size : 0;
}

static void set_options(struct client *client)
{
	curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
	curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(client->curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take);
}

struct client *client_open(const char *socket_path)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->curl = curl_easy_init();
	client->socket_path = strdup(socket_path);
	if (client->curl == NULL || client->socket_path == NULL)
		client_close(&client);
	else
		set_options(client);
	return client;
}

void client_close(struct client **client)
{
	if (client == NULL || *client == NULL)
		return;
	curl_easy_cleanup((*client)->curl);
	free((*client)->socket_path);
	free(*client);
	*client = NULL;
}

static int say_unreachable(const struct client *client, struct reason *reason)
{
	const char *path = client->socket_path;
	long error = 0;

	curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &error);
	/* libcurl keeps no errno of some failures; the file says the same. */
	if (error == 0 && access(path, R_OK | W_OK) < 0)
		error = errno;
	if (error == EACCES || error == EPERM) {
		reason_set(reason,
			"no permission to use %s. Ask as root, or as a member of the relay's "
			"group.",
			path);
		return EX_NOPERM;
	}
	reason_set(reason,
		"the relay is not reachable at %s: %s. Is sluiced running (systemctl status "
		"sluiced)? Is "
		"that its admin_socket? If not, say --socket PATH or set SLUICE_SOCKET.",
		path, strerror(error ? (int)error : ECONNREFUSED));
	return EX_UNAVAILABLE;
}

static int judge(const struct client *client, CURLcode code, const struct arrival *arrival,
	struct reason *reason)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		return say_unreachable(client, reason);
	case CURLE_OPERATION_TIMEDOUT:
		reason_set(reason, "the relay at %s does not answer. See its log.",
			client->socket_path);
		return EX_UNAVAILABLE;
	case CURLE_WRITE_ERROR:
		if (arrival->too_large)
			reason_set(reason, "the answer is over %u bytes", CLIENT_ANSWER_BYTES);
		else
			reason_set(reason, "cannot keep the answer: %s", strerror(errno));
		return arrival->too_large ? EX_PROTOCOL : EX_IOERR;
	default:
		reason_set(reason, "the relay at %s broke off: %s", client->socket_path,
			curl_easy_strerror(code));
		return EX_PROTOCOL;
	}
}

/* `body` stays the caller's, and has to live as long as the call. */
static void set_method(struct client *client, const char *method, const char *body)
{
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, NULL);
	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
		curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(
			client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0)
		curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
}

static int perform(
	struct client *client, const char *path, struct arrival *arrival, struct reason *reason)
{
	struct client_reply *reply = arrival->reply;
	struct bytes url = {0};
	int code = EX_OSERR;

	reply->status = 0;
	bytes_clear(&reply->body);
	if (bytes_printf(&url, "http://sluice%s", path)) {
		curl_easy_setopt(client->curl, CURLOPT_URL, (const char *)url.data);
		curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, arrival);
		code = judge(client, curl_easy_perform(client->curl), arrival, reason);
		curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	}
	bytes_fini(&url);
	if (code == 0 && !bytes_append(&reply->body, "", 1))
		code = EX_OSERR;
	if (code == EX_OSERR)
		reason_set(reason, "out of memory");
	else if (code == 0)
		reply->body.size--;
	return code;
}

int client_send(struct client *client, const char *method, const char *path, const char *body,
	struct client_reply *reply, struct reason *reason)
{
	struct arrival arrival = {.curl = client->curl, .reply = reply};

	set_method(client, method, body);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)CLIENT_TIMEOUT_S);
	return perform(client, path, &arrival, reason);
}

int client_call(struct client *client, const char *method, const char *path,
	struct client_reply *reply, struct reason *reason)
{
	return client_send(client, method, path, "", reply, reason);
}

int client_fetch(struct client *client, const char *path, FILE *to, struct client_reply *reply,
	struct reason *reason)
{
	struct arrival arrival = {.curl = client->curl, .reply = reply, .file = to};

	set_method(client, "GET", "");
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, 0L); /* STALLED_S bounds it */
	return perform(client, path, &arrival, reason);
}

bool client_append_encoded(struct bytes *path, const char *text)
{
	char *encoded = curl_easy_escape(NULL, text, 0);
	bool done = encoded != NULL && bytes_append_text(path, encoded);

	curl_free(encoded);
	return done;
}
