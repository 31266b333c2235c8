#include "smtp/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/bytes.h"

struct upstream {
	struct upstream_options options;
	CURL *easy;
	struct loop_timer timer; /* step 1's deadline */
	int fd; /* -1: not open */
	bool tls;
	bool dialing;

	/* what libcurl's callbacks saw */
	enum reply_stage stage;
	struct response response;
	struct offer offer;
	unsigned ehlo_lines;
	bool helo; /* EHLO was refused, HELO sent */
	bool handshaking; /* between 220 to STARTTLS and the second EHLO */
	bool authenticated;
	bool judged; /* `failure` tells what was wrong; libcurl was told to stop */
	struct upstream_failure failure;
	char error[CURL_ERROR_SIZE];
};

/* ---- what went wrong, and where ---- */

/* While no line came it takes libcurl's word for how far it got. */
static enum reply_stage stage_now(const struct upstream *upstream)
{
	curl_off_t secured = 0;
	long port = 0; /* the peer's, known once TCP is connected */

	if (upstream->handshaking)
		return STAGE_TLS;
	if (upstream->stage != STAGE_CONNECT)
		return upstream->stage;
	curl_easy_getinfo(upstream->easy, CURLINFO_PRIMARY_PORT, &port);
	curl_easy_getinfo(upstream->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
	if (port == 0)
		return STAGE_CONNECT;
	if (upstream->options.config->tls == UPSTREAM_TLS_IMPLICIT && secured == 0)
		return STAGE_TLS;
	return STAGE_BANNER;
}

static void fail_with(struct upstream *upstream, enum reply_stage stage, enum reply_class class,
	const char *reply, const char *status)
{
	struct upstream_failure *failure = &upstream->failure;

	failure->stage = stage;
	failure->class = class;
	failure->handshake = stage == STAGE_TLS && upstream->handshaking;
	response_clean(failure->reply, sizeof(failure->reply), reply);
	response_clean(failure->status, sizeof(failure->status), status);
	upstream->judged = true;
}

static void fail_with_response(struct upstream *upstream)
{
	const struct response *response = &upstream->response;

	fail_with(upstream, upstream->stage,
		reply_classify(upstream->stage, response->code, response_words(response), 0),
		response->text, response->status);
}

/* A failure that no reply tells of: libcurl's result. */
static void fail_with_result(struct upstream *upstream, CURLcode result)
{
	enum reply_stage stage = stage_now(upstream);
	const char *why = upstream->error[0] != '\0' ? upstream->error : curl_easy_strerror(result);

	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		stage = STAGE_CONNECT;
		break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_USE_SSL_FAILED:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		stage = STAGE_TLS;
		break;
	case CURLE_LOGIN_DENIED:
		if (upstream->response.code >= 400) {
			upstream->stage = STAGE_AUTH;
			fail_with_response(upstream);
			return;
		}
		stage = STAGE_AUTH;
		break;
	default:
		break;
	}
	fail_with(upstream, stage,
		result == CURLE_OPERATION_TIMEDOUT ? REPLY_TIMED_OUT : REPLY_DROPPED, why, "");
}

/* Gives the failure to the owner, who may close the connection in his callback. */
static void tell_failure(struct upstream *upstream)
{
	struct upstream_failure failure = upstream->failure;

	upstream->dialing = false;
	loop_timer_clear(upstream->options.loop, &upstream->timer);
	upstream->options.failed(upstream->options.owner, &failure);
}

/* ---- libcurl's callbacks ---- */

/* True: goes on. False: what upstream said ends it, before libcurl does what it would (HELO after 421 to EHLO). */
static bool judge(struct upstream *upstream)
{
	int code = upstream->response.code;
	enum upstream_tls tls = upstream->options.config->tls;
	bool good = code / 100 == 2;

	switch (upstream->stage) {
	case STAGE_EHLO:
		/* An old server knows no EHLO: libcurl then says HELO, which cannot carry TLS or AUTH. */
		if (code / 100 == 5 && !upstream->helo && tls != UPSTREAM_TLS_REQUIRED)
			good = true;
		break;
	case STAGE_TLS:
		if (code == 220)
			upstream->handshaking = true;
		else
			good = tls == UPSTREAM_TLS_OPPORTUNISTIC && code != 421;
		break;
	case STAGE_AUTH:
		upstream->authenticated = good;
		good = code != 421; /* libcurl may have another mechanism to try */
		break;
	default:
		break;
	}
	if (!good)
		fail_with_response(upstream);
	return good;
}

/* CURLOPT_HEADERFUNCTION: one line of a reply. Another size than was given makes libcurl stop. */
static size_t line_came(char *line, size_t one, size_t size, void *owner)
{
	struct upstream *upstream = owner;
	enum response_result result;
	size_t taken;

	(void)one;
	if (upstream->judged || !upstream->dialing)
		return upstream->judged ? 0 : size;
	if (upstream->stage == STAGE_CONNECT)
		upstream->stage = STAGE_BANNER;
	if (upstream->stage == STAGE_EHLO && size > 4 && line[0] == '2' &&
		upstream->ehlo_lines++ > 0)
		offer_parse(&upstream->offer, line + 4, size - 4);
	result = response_parse(&upstream->response, line, size, &taken);
	if (result == RESPONSE_DONE)
		return judge(upstream) ? size : 0;
	if (result == RESPONSE_BAD) {
		fail_with(upstream, stage_now(upstream), REPLY_DROPPED, "no SMTP reply", "");
		return 0;
	}
	return size;
}

static bool begins(const char *line, size_t size, const char *word)
{
	size_t length = strlen(word);

	return size >= length && memcmp(line, word, length) == 0;
}

/* CURLOPT_DEBUGFUNCTION: a command went out; it tells the stage that the next reply belongs to. */
static int command_went(CURL *easy, curl_infotype type, char *line, size_t size, void *owner)
{
	struct upstream *upstream = owner;

	(void)easy;
	if (type != CURLINFO_HEADER_OUT || !upstream->dialing)
		return 0;
	if (begins(line, size, "EHLO") || begins(line, size, "HELO")) {
		upstream->stage = STAGE_EHLO;
		upstream->helo = line[0] == 'H';
		upstream->tls = upstream->handshaking || upstream->tls;
		upstream->handshaking = false;
		upstream->offer = (struct offer){0};
		upstream->ehlo_lines = 0;
	} else if (begins(line, size, "STARTTLS")) {
		upstream->stage = STAGE_TLS;
	} else if (begins(line, size, "AUTH")) {
		upstream->stage = STAGE_AUTH;
	}
	return 0;
}

/* ---- opening ---- */

static int set_url(struct upstream *upstream)
{
	const struct config_host *host = upstream->options.host;
	bool implicit = upstream->options.config->tls == UPSTREAM_TLS_IMPLICIT;
	struct bytes url = {0};
	int rc = -ENOMEM;

	/* The path is the name that EHLO says. */
	if (bytes_printf(&url, strchr(host->host, ':') != NULL ? "%s://[%s]:%u/" : "%s://%s:%u/",
		    implicit ? "smtps" : "smtp", host->host, (unsigned)host->port)) {
		char *name = curl_easy_escape(upstream->easy, upstream->options.hostname, 0);

		if (name != NULL && bytes_append(&url, name, strlen(name) + 1) &&
			curl_easy_setopt(upstream->easy, CURLOPT_URL, url.data) == CURLE_OK)
			rc = 0;
		curl_free(name);
	}
	bytes_fini(&url);
	return rc;
}

static int set_tls(CURL *easy, const struct upstream_options *options)
{
	const struct config_upstream *config = options->config;
	bool verified =
		config->tls == UPSTREAM_TLS_REQUIRED || config->tls == UPSTREAM_TLS_IMPLICIT;
	long use = CURLUSESSL_NONE;

	if (config->tls == UPSTREAM_TLS_REQUIRED)
		use = CURLUSESSL_ALL;
	else if (config->tls == UPSTREAM_TLS_OPPORTUNISTIC && !options->in_clear)
		use = CURLUSESSL_TRY;
	curl_easy_setopt(easy, CURLOPT_USE_SSL, use);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verified ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verified ? 2L : 0L);
	if (config->ca_file != NULL &&
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

static int set_options(struct upstream *upstream)
{
	const struct config_upstream *config = upstream->options.config;
	CURL *easy = upstream->easy;
	long timeout_ms = (long)config->connect_timeout_ms;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, upstream);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Without it a handle removed while its name is looked up waits for the resolver's thread. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/* Our timer comes first; these are longer than it, not libcurl's defaults, which may be shorter. */
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms + 1000);
	curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, timeout_ms / 1000 + 2);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, upstream->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, line_came);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, upstream);
	curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, command_went);
	curl_easy_setopt(easy, CURLOPT_DEBUGDATA, upstream);
	curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L); /* else the debug callback is not called */
	if (config->user != NULL &&
		(curl_easy_setopt(easy, CURLOPT_USERNAME, config->user) != CURLE_OK ||
			curl_easy_setopt(easy, CURLOPT_PASSWORD,
				config->password != NULL ? config->password : "") != CURLE_OK))
		return -ENOMEM;
	if (set_tls(easy, &upstream->options) < 0)
		return -ENOMEM;
	return set_url(upstream);
}

static void deadline_over(void *owner)
{
	struct upstream *upstream = owner;

	fail_with(upstream, stage_now(upstream), REPLY_TIMED_OUT, "timed out", "");
	tell_failure(upstream);
}

struct upstream *upstream_open(const struct upstream_options *options)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->options = *options;
	upstream->fd = -1;
	upstream->stage = STAGE_CONNECT;
	upstream->tls = options->config->tls == UPSTREAM_TLS_IMPLICIT;
	upstream->dialing = true;
	upstream->timer = (struct loop_timer){.owner = upstream, .fire = deadline_over};
	response_init(&upstream->response);
	upstream->easy = curl_easy_init();
	if (upstream->easy == NULL || set_options(upstream) < 0 ||
		dialer_add(options->dialer, upstream->easy) < 0) {
		upstream_close(&upstream, false);
		return NULL;
	}
	loop_timer_set(options->loop, &upstream->timer,
		loop_now_ms(options->loop) + options->config->connect_timeout_ms);
	return upstream;
}

/*
 * The first curl_easy_recv ties the connection to its handle, so that libcurl's clean-up of idle connections passes it
 * by. Nothing may have come yet: upstream has answered all that it was asked.
 */
static bool is_quiet(struct upstream *upstream)
{
	char early[2048];
	ssize_t size = upstream_receive(upstream, early, sizeof(early));
	size_t taken;

	if (size == -EAGAIN)
		return true;
	if (size > 0 &&
		response_parse(&upstream->response, early, (size_t)size, &taken) == RESPONSE_DONE &&
		upstream->response.code == 421)
		fail_with_response(upstream);
	else
		fail_with(upstream, upstream->stage, REPLY_DROPPED,
			size > 0 ? "spoke out of turn" : "connection closed", "");
	return false;
}

static bool take_over(struct upstream *upstream)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(upstream->easy, CURLINFO_ACTIVESOCKET, &fd);
	upstream->fd = fd;
	if (upstream->options.config->user != NULL && !upstream->authenticated) {
		/* libcurl goes on without; the mail would then be refused for good. */
		fail_with(upstream, STAGE_AUTH, REPLY_AUTH_NEEDED, "AUTH is not offered", "");
		return false;
	}
	return is_quiet(upstream);
}

void upstream_dialed(void *owner, CURLcode result)
{
	struct upstream *upstream = owner;

	if (!upstream->dialing)
		return;
	if (result != CURLE_OK && !upstream->judged)
		fail_with_result(upstream, result);
	if (result != CURLE_OK || upstream->judged || !take_over(upstream)) {
		tell_failure(upstream);
		return;
	}
	upstream->dialing = false;
	loop_timer_clear(upstream->options.loop, &upstream->timer);
	upstream->options.opened(upstream->options.owner);
}

void upstream_close(struct upstream **upstream, bool polite)
{
	struct upstream *closing = upstream != NULL ? *upstream : NULL;

	if (closing == NULL)
		return;
	*upstream = NULL;
	closing->dialing = false;
	loop_timer_clear(closing->options.loop, &closing->timer);
	if (closing->fd >= 0) {
		if (polite)
			(void)upstream_send(closing, "QUIT\r\n", 6);
		/* libcurl's clean-up could wait on the socket; on this one nothing is left to wait for. */
		shutdown(closing->fd, SHUT_RDWR);
	}
	if (closing->easy != NULL) {
		dialer_remove(closing->options.dialer, closing->easy);
		curl_easy_cleanup(closing->easy);
	}
	free(closing);
}

/* ---- once it is open ---- */

int upstream_fd(const struct upstream *upstream)
{
	return upstream->fd;
}

bool upstream_is_tls(const struct upstream *upstream)
{
	return upstream->tls;
}

const struct offer *upstream_offer(const struct upstream *upstream)
{
	return &upstream->offer;
}

ssize_t upstream_send(struct upstream *upstream, const void *from, size_t size)
{
	size_t sent = 0;
	CURLcode result = curl_easy_send(upstream->easy, from, size, &sent);

	if (result == CURLE_AGAIN)
		return -EAGAIN;
	return result == CURLE_OK ? (ssize_t)sent : -EPIPE;
}

ssize_t upstream_receive(struct upstream *upstream, void *to, size_t size)
{
	size_t got = 0;
	CURLcode result = curl_easy_recv(upstream->easy, to, size, &got);

	if (result == CURLE_AGAIN)
		return -EAGAIN;
	return result == CURLE_OK ? (ssize_t)got : -ECONNRESET;
}
