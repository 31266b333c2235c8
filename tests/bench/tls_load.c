/*
 * tls_load: clients that speak STARTTLS, for any server: tests/bench/run --part tls.
 *
 *	tls_load messages    --port PORT --count N [--sessions N] [--tls 1.2]
 *	tls_load connections --port PORT --count N [--sessions N] [--tls 1.2]
 *	tls_load idle        --port PORT --sessions N [--tls 1.2]
 *
 * messages: each session begins TLS once, and then hands over messages of 4 KiB, each as soon as the one before has its
 * 250, until there were `count` of them; the clock begins when all sessions are within TLS. connections: connect, EHLO,
 * STARTTLS, handshake, EHLO, QUIT, the next; the clock begins at once. idle: all sessions begin TLS and say EHLO, and
 * then nothing until standard input ends.
 *
 * One thread, epoll; TLS 1.3 with TLS_AES_128_GCM_SHA256 and X25519 (1.2: ECDHE with AES-128-GCM), nothing resumed, the
 * server's signature checked and its certificate not. A message's text is one record. Prints
 * "done=N seconds=… cpu_ms=…" (the generator's own processor time, each). Ends with 1 at any reply that is not as wanted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TEXT_BYTES    4096
#define LINE_BYTES    78
#define SESSIONS_MAX  5000
#define IDLE_TOGETHER 20 /* handshakes of those that will be idle */

/* What a session waits for. */
enum stage { BANNER, EHLO, STARTTLS, HANDSHAKE, GREETED, MAIL, RCPT, DATA, DOT, QUIT, STAGE_TOTAL };

static const struct {
	const char *says; /* to come to the next stage */
	char wanted; /* the reply's first digit in this one */
} stages[STAGE_TOTAL] = {
	[BANNER] = {"EHLO load.example\r\n", '2'},
	[EHLO] = {"STARTTLS\r\n", '2'},
	[STARTTLS] = {NULL, '2'},
	[HANDSHAKE] = {"EHLO load.example\r\n", '2'},
	[GREETED] = {"MAIL FROM:<a@example.com>\r\n", '2'},
	[MAIL] = {"RCPT TO:<b@example.org>\r\n", '2'},
	[RCPT] = {"DATA\r\n", '2'},
	[DATA] = {NULL, '3'},
	[DOT] = {NULL, '2'},
	[QUIT] = {NULL, '2'},
};

struct session {
	int fd;
	SSL *ssl;
	enum stage stage;
	const char *out; /* what is not sent yet */
	size_t out_size;
	char reply[2048];
	size_t reply_size;
};

static bool sends_messages, is_idle;
static unsigned wanted, opened, begun, done, in_tls, session_count = 50;
static struct sockaddr_in server = {.sin_family = AF_INET};
static SSL_CTX *context;
static int epoll_fd;
static char text[TEXT_BYTES + 8];
static struct timespec began;
static struct rusage began_usage;

static void die(const char *what)
{
	fprintf(stderr, "tls_load: %s: %s\n", what, errno != 0 ? strerror(errno) : "");
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void make_text(void)
{
	static const char header[] = "From: <a@example.com>\r\nTo: <b@example.org>\r\n"
				     "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
				     "Message-Id: <load@load.example>\r\nSubject: load\r\n\r\n";

	memset(text, 'x', TEXT_BYTES);
	memcpy(text, header, sizeof(header) - 1);
	for (size_t i = sizeof(header) - 1 + LINE_BYTES; i < TEXT_BYTES - 2; i += LINE_BYTES)
		memcpy(text + i, "\r\n", 2);
	memcpy(text + TEXT_BYTES, "\r\n.\r\n", 5);
}

static void make_context(const char *version)
{
	bool old = version != NULL && strcmp(version, "1.2") == 0;

	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL ||
		SSL_CTX_set_min_proto_version(context, old ? TLS1_2_VERSION : TLS1_3_VERSION) !=
			1 ||
		SSL_CTX_set_max_proto_version(context, old ? TLS1_2_VERSION : TLS1_3_VERSION) !=
			1 ||
		SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
		SSL_CTX_set_cipher_list(context, "ECDHE+AES128+AESGCM") != 1 ||
		SSL_CTX_set1_groups_list(context, "X25519") != 1)
		die("context");
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

static void start_clock(void)
{
	clock_gettime(CLOCK_MONOTONIC, &began);
	getrusage(RUSAGE_SELF, &began_usage);
}

static double seconds_of(struct timeval from, struct timeval to)
{
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

static void report(void)
{
	struct timespec now;
	struct rusage usage;
	double seconds, processor;

	clock_gettime(CLOCK_MONOTONIC, &now);
	getrusage(RUSAGE_SELF, &usage);
	seconds = (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9;
	processor = seconds_of(began_usage.ru_utime, usage.ru_utime) +
		    seconds_of(began_usage.ru_stime, usage.ru_stime);
	printf("done=%u seconds=%.4f cpu_ms=%.4f\n", done, seconds, processor * 1000 / done);
}

/* ---- the wire ---- */

/* Bytes, 0 for none now; dies at an end or an error. */
static size_t take(struct session *session, char *to, size_t size)
{
	ssize_t got;

	errno = 0;
	got = session->ssl != NULL ? SSL_read(session->ssl, to, (int)size)
				   : recv(session->fd, to, size, 0);
	if (got > 0)
		return (size_t)got;
	if (session->ssl != NULL ? SSL_get_error(session->ssl, (int)got) == SSL_ERROR_WANT_READ
				 : got < 0 && errno == EAGAIN)
		return 0;
	die("the server ended the connection");
	return 0;
}

static bool push(struct session *session)
{
	while (session->out_size > 0) {
		ssize_t sent;

		errno = 0;
		sent = session->ssl != NULL
			       ? SSL_write(session->ssl, session->out, (int)session->out_size)
			       : send(session->fd, session->out, session->out_size, MSG_NOSIGNAL);
		if (sent <= 0 && session->ssl != NULL &&
			SSL_get_error(session->ssl, (int)sent) == SSL_ERROR_WANT_WRITE)
			return false;
		if (sent <= 0 && session->ssl == NULL && errno == EAGAIN)
			return false;
		if (sent <= 0)
			die("send");
		session->out += sent;
		session->out_size -= (size_t)sent;
	}
	return true;
}

static bool is_whole(const char *reply, size_t size)
{
	const char *line = reply;

	if (size < 5 || reply[size - 1] != '\n')
		return false;
	for (const char *at = reply; at < reply + size - 1; at++)
		if (*at == '\n')
			line = at + 1;
	return reply + size - line >= 5 && line[3] == ' ';
}

/* ---- one session ---- */

static void open_session(struct session *session)
{
	int on = 1;

	*session = (struct session){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (session->fd < 0 ||
		setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		connect(session->fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	fcntl(session->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, session->fd,
		    &(struct epoll_event){
			    .data.ptr = session, .events = EPOLLIN | EPOLLOUT | EPOLLET}) < 0)
		die("epoll_ctl");
}

static void close_session(struct session *session)
{
	SSL_free(session->ssl);
	close(session->fd);
	session->fd = -1;
	session->ssl = NULL;
}

static void say(struct session *session, const char *what, size_t size)
{
	session->out = what;
	session->out_size = size;
}

static void begin_tls(struct session *session)
{
	session->ssl = SSL_new(context);
	if (session->ssl == NULL || SSL_set_fd(session->ssl, session->fd) != 1)
		die("SSL_new");
	SSL_set_connect_state(session->ssl);
	session->stage = HANDSHAKE;
}

static void begin_message(struct session *session)
{
	if (begun == wanted)
		return; /* the others' last ones are under way */
	begun++;
	say(session, stages[GREETED].says, strlen(stages[GREETED].says));
	session->stage = MAIL;
	push(session);
}

static void end_session(struct session *session)
{
	done++;
	close_session(session);
	if (begun < wanted) {
		begun++;
		open_session(session);
	}
}

/* All are within TLS: the messages begin. */
static void greet(struct session *session, struct session *sessions)
{
	if (is_idle) {
		done++;
		if (opened < session_count)
			open_session(&sessions[opened++]);
		return;
	}
	if (!sends_messages) {
		say(session, "QUIT\r\n", 6);
		session->stage = QUIT;
		return;
	}
	session->stage = GREETED;
	if (++in_tls < session_count)
		return;
	start_clock();
	for (unsigned i = 0; i < session_count; i++)
		begin_message(&sessions[i]);
}

static void go_on(struct session *session, struct session *sessions)
{
	enum stage stage = session->stage;

	if (session->reply[0] != stages[stage].wanted) {
		fprintf(stderr, "tls_load: at %d: %.*s\n", stage, (int)session->reply_size,
			session->reply);
		exit(1);
	}
	session->reply_size = 0;
	if (stage == STARTTLS) {
		begin_tls(session);
	} else if (stage == GREETED) {
		greet(session, sessions);
	} else if (stage == DATA) {
		say(session, text, TEXT_BYTES + 5);
		session->stage = DOT;
	} else if (stage == DOT) {
		done++;
		begin_message(session);
	} else if (stage == QUIT) {
		end_session(session);
	} else {
		say(session, stages[stage].says, strlen(stages[stage].says));
		session->stage++;
	}
}

/* ---- a turn ---- */

static bool shake_hands(struct session *session)
{
	int result = SSL_do_handshake(session->ssl), error;

	if (result == 1) {
		session->stage = GREETED;
		say(session, stages[HANDSHAKE].says, strlen(stages[HANDSHAKE].says));
		return true;
	}
	error = SSL_get_error(session->ssl, result);
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		die("handshake");
	return false;
}

/* One turn; false: it waits. */
static bool step(struct session *session, struct session *sessions)
{
	size_t got;

	if (session->stage == HANDSHAKE)
		return shake_hands(session);
	if (!push(session))
		return false;
	got = take(session, session->reply + session->reply_size,
		sizeof(session->reply) - session->reply_size);
	session->reply_size += got;
	if (got > 0 && is_whole(session->reply, session->reply_size))
		go_on(session, sessions);
	return got > 0 && session->fd >= 0;
}

static void run(struct session *sessions)
{
	start_clock();
	while (opened < session_count && (!is_idle || opened < IDLE_TOGETHER)) {
		open_session(&sessions[opened++]);
		begun += !sends_messages;
	}
	while (done < wanted) {
		struct epoll_event events[64];
		int ready = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < ready; i++) {
			struct session *session = events[i].data.ptr;

			while (session->fd >= 0 && step(session, sessions))
				;
		}
	}
	report();
	if (is_idle && (fflush(stdout) != 0 || read(STDIN_FILENO, text, 1) < 0))
		die("standard input");
	for (unsigned i = 0; i < opened; i++)
		if (sessions[i].fd >= 0)
			close_session(&sessions[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
		{"count", required_argument, NULL, 'n'}, {"sessions", required_argument, NULL, 's'},
		{"tls", required_argument, NULL, 't'}, {0}};
	const char *version = NULL;
	struct session *sessions;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			server.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
		else if (option == 'n')
			wanted = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 's')
			session_count = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 't')
			version = optarg;
		else
			return 64;
	}
	is_idle = optind == argc - 1 && strcmp(argv[optind], "idle") == 0;
	if (is_idle)
		wanted = session_count;
	if (optind != argc - 1 || server.sin_port == 0 || session_count == 0 ||
		session_count > SESSIONS_MAX || wanted < session_count) {
		fputs("usage: tls_load messages|connections|idle --port PORT --count N [--sessions "
		      "N] "
		      "[--tls 1.2]\n",
			stderr);
		return 64;
	}
	sends_messages = strcmp(argv[optind], "messages") == 0;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	signal(SIGPIPE, SIG_IGN);
	make_text();
	make_context(version);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	sessions = calloc(session_count, sizeof(*sessions));
	if (epoll_fd < 0 || sessions == NULL)
		die("start");
	run(sessions);
	free(sessions);
	SSL_CTX_free(context);
	close(epoll_fd);
	return 0;
}
