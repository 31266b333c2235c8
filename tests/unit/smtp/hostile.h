/*
 * hostile.h: an upstream on loopback that does what a script says, well or badly.
 *
 * Each connection gets the next script (the last one repeats), and a thread of its own. Steps are joined by "|":
 *	>LINE	sends LINE and CRLF		:LINE	the same, byte by byte
 *	=BYTES	sends BYTES			<WORD	reads a line that must begin with WORD
 *	~	reads a text to its final dot	%N	sends a line of N bytes
 *	x	closes	r  resets	h  says nothing more until the client goes	w  the same, and reads nothing
 *	d	drips lines of a reply that never ends, ten a second
 *	t	TLS handshake	g  from here on a good server, to the end
 * After the last step it closes. What a client said stands in `lines`, one a line, and `texts`.
 */
#ifndef SLUICE_TESTS_UNIT_SMTP_HOSTILE_H
#define SLUICE_TESTS_UNIT_SMTP_HOSTILE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"

#define HOSTILE_MAX 64

#define OFFER       ">250-upstream.test|>250-PIPELINING|>250-8BITMIME|>250 SIZE 1000000"
#define OFFER_PLAIN ">250-upstream.test|>250 8BITMIME"
#define HELLO       ">220 upstream.test|<EHLO|" OFFER
#define HELLO_PLAIN ">220 upstream.test|<EHLO|" OFFER_PLAIN

struct hostile {
	int listen_fd;
	unsigned port;
	const char *const *scripts;
	size_t script_count;
	SSL_CTX *tls;
	pthread_t acceptor;
	pthread_mutex_t lock;
	struct visit *visits[HOSTILE_MAX];
	unsigned visit_count;
	struct bytes lines, texts;
	unsigned texts_taken;
	char wrong[256]; /* the first line that was not as the script wants it */
};

struct visit {
	struct hostile *hostile;
	pthread_t thread;
	int fd;
	SSL *ssl;
	const char *script;
	uint8_t buffer[65536];
	size_t size;
};

static inline bool hostile_send(struct visit *visit, const void *from, size_t size)
{
	const uint8_t *bytes = from;

	while (size > 0) {
		ssize_t sent = visit->ssl != NULL ? SSL_write(visit->ssl, bytes, (int)size)
						  : send(visit->fd, bytes, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		size -= (size_t)sent;
	}
	return true;
}

static inline bool hostile_fill(struct visit *visit)
{
	size_t room = sizeof(visit->buffer) - visit->size;
	ssize_t got = visit->ssl != NULL
			      ? SSL_read(visit->ssl, visit->buffer + visit->size, (int)room)
			      : recv(visit->fd, visit->buffer + visit->size, room, 0);

	if (got <= 0)
		return false;
	visit->size += (size_t)got;
	return true;
}

/* A line without its CRLF; what does not fit is cut. */
static inline bool hostile_read_line(struct visit *visit, char *out, size_t out_size)
{
	uint8_t *end;
	size_t size;

	while ((end = memchr(visit->buffer, '\n', visit->size)) == NULL)
		if (visit->size == sizeof(visit->buffer) || !hostile_fill(visit))
			return false;
	size = (size_t)(end - visit->buffer) + 1;
	snprintf(out, out_size, "%.*s", (int)(size >= 2 ? size - 2 : 0), (char *)visit->buffer);
	memmove(visit->buffer, visit->buffer + size, visit->size - size);
	visit->size -= size;
	return true;
}

static inline void hostile_note(struct visit *visit, const char *line)
{
	struct hostile *hostile = visit->hostile;

	pthread_mutex_lock(&hostile->lock);
	if (!bytes_append_text(&hostile->lines, line) || !bytes_append_text(&hostile->lines, "\n"))
		abort();
	pthread_mutex_unlock(&hostile->lock);
}

static inline bool hostile_expect(struct visit *visit, const char *word, size_t size)
{
	char line[2048];

	if (!hostile_read_line(visit, line, sizeof(line)))
		return false;
	hostile_note(visit, line);
	if (strncmp(line, word, size) == 0)
		return true;
	pthread_mutex_lock(&visit->hostile->lock);
	if (visit->hostile->wrong[0] == '\0')
		snprintf(visit->hostile->wrong, sizeof(visit->hostile->wrong),
			"wanted %.*s, got %.200s", (int)size, word, line);
	pthread_mutex_unlock(&visit->hostile->lock);
	return false;
}

static inline bool hostile_read_text(struct visit *visit)
{
	char line[4096];
	struct bytes text = {0};
	bool ended = false;

	while (!ended && hostile_read_line(visit, line, sizeof(line))) {
		ended = strcmp(line, ".") == 0;
		if (!ended &&
			(!bytes_append_text(&text, line) || !bytes_append_text(&text, "\r\n")))
			abort();
	}
	pthread_mutex_lock(&visit->hostile->lock);
	if (ended && text.size > 0 && !bytes_append(&visit->hostile->texts, text.data, text.size))
		abort();
	visit->hostile->texts_taken += ended;
	pthread_mutex_unlock(&visit->hostile->lock);
	bytes_fini(&text);
	return ended;
}

static inline bool hostile_be_good(struct visit *visit)
{
	char line[2048];

	while (hostile_read_line(visit, line, sizeof(line))) {
		const char *reply = "250 2.0.0 Ok\r\n";

		hostile_note(visit, line);
		if (strncmp(line, "EHLO", 4) == 0)
			reply = "250-upstream.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
		if (strncmp(line, "QUIT", 4) == 0)
			return false;
		if (strncmp(line, "DATA", 4) == 0) {
			reply = "354 go on\r\n";
			if (!hostile_send(visit, reply, strlen(reply)) || !hostile_read_text(visit))
				return false;
			reply = "250 2.0.0 Queued\r\n";
		}
		if (!hostile_send(visit, reply, strlen(reply)))
			return false;
	}
	return false;
}

static inline bool hostile_tls(struct visit *visit)
{
	visit->ssl = SSL_new(visit->hostile->tls);
	return visit->ssl != NULL && SSL_set_fd(visit->ssl, visit->fd) == 1 &&
	       SSL_accept(visit->ssl) == 1;
}

static inline bool hostile_step(struct visit *visit, const char *step, size_t size)
{
	char line[512];
	struct linger reset = {.l_onoff = 1};
	struct pollfd gone = {.fd = visit->fd, .events = POLLRDHUP};
	size_t count;

	snprintf(line, sizeof(line), "%.*s%s", (int)(size - 1), step + 1,
		step[0] == '=' ? "" : "\r\n");
	switch (step[0]) {
	case '>':
	case '=':
		return hostile_send(visit, line, strlen(line));
	case ':':
		for (size_t i = 0; line[i] != '\0'; i++) {
			usleep(300); /* so that each byte is read alone */
			if (!hostile_send(visit, line + i, 1))
				return false;
		}
		return true;
	case '%':
		count = strtoul(line, NULL, 10);
		memset(line, '2', sizeof(line));
		for (size_t sent = 0; sent < count; sent += sizeof(line))
			if (!hostile_send(visit, line, sizeof(line)))
				return false;
		return hostile_send(visit, "\r\n", 2);
	case '<':
		return hostile_expect(visit, step + 1, size - 1);
	case '~':
		return hostile_read_text(visit);
	case 'h':
		while (hostile_fill(visit))
			visit->size = 0;
		return false;
	case 'w':
		(void)poll(&gone, 1, -1);
		return false;
	case 'r':
		setsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		return false;
	case 'd':
		while (hostile_send(visit, "250-wait\r\n", 10))
			usleep(100000);
		return false;
	case 't':
		return hostile_tls(visit);
	case 'g':
		return hostile_be_good(visit);
	default:
		return false;
	}
}

static inline void *hostile_visit(void *argument)
{
	struct visit *visit = argument;
	const char *step = visit->script;
	size_t size;

	for (; *step != '\0'; step += size + (step[size] == '|')) {
		size = strcspn(step, "|");
		if (!hostile_step(visit, step, size))
			break;
	}
	if (visit->ssl != NULL)
		SSL_free(visit->ssl);
	close(visit->fd);
	return NULL;
}

static inline void *hostile_accept(void *argument)
{
	struct hostile *hostile = argument;
	int fd, on = 1;

	while ((fd = accept(hostile->listen_fd, NULL, NULL)) >= 0) {
		struct visit *visit = calloc(1, sizeof(*visit));
		unsigned number = hostile->visit_count;

		if (visit == NULL || number == HOSTILE_MAX)
			abort();
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		visit->hostile = hostile;
		visit->fd = fd;
		visit->script = hostile->scripts[number < hostile->script_count
							 ? number
							 : hostile->script_count - 1];
		pthread_mutex_lock(&hostile->lock);
		hostile->visits[hostile->visit_count++] = visit;
		pthread_mutex_unlock(&hostile->lock);
		if (pthread_create(&visit->thread, NULL, hostile_visit, visit) != 0)
			abort();
	}
	return NULL;
}

static inline void hostile_open(
	struct hostile *hostile, const char *const *scripts, size_t script_count)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	*hostile = (struct hostile){.scripts = scripts, .script_count = script_count};
	pthread_mutex_init(&hostile->lock, NULL);
	hostile->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (hostile->listen_fd < 0 ||
		bind(hostile->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(hostile->listen_fd, 64) < 0 ||
		getsockname(hostile->listen_fd, (struct sockaddr *)&address, &size) < 0)
		abort();
	hostile->port = ntohs(address.sin_port);
}

static inline void hostile_start(struct hostile *hostile)
{
	if (pthread_create(&hostile->acceptor, NULL, hostile_accept, hostile) != 0)
		abort();
}

static inline unsigned hostile_visits(struct hostile *hostile)
{
	unsigned count;

	pthread_mutex_lock(&hostile->lock);
	count = hostile->visit_count;
	pthread_mutex_unlock(&hostile->lock);
	return count;
}

/* Ends all connections and waits for their threads; `lines` and `texts` may be read from then on. */
static inline void hostile_stop(struct hostile *hostile)
{
	if (hostile->listen_fd < 0)
		return;
	shutdown(hostile->listen_fd, SHUT_RDWR);
	pthread_join(hostile->acceptor, NULL);
	for (unsigned i = 0; i < hostile->visit_count; i++) {
		shutdown(hostile->visits[i]->fd, SHUT_RDWR);
		pthread_join(hostile->visits[i]->thread, NULL);
		free(hostile->visits[i]);
	}
	close(hostile->listen_fd);
	hostile->listen_fd = -1;
	if (!bytes_append(&hostile->lines, "", 1) || !bytes_append(&hostile->texts, "", 1))
		abort();
}

static inline void hostile_close(struct hostile *hostile)
{
	hostile_stop(hostile);
	bytes_fini(&hostile->lines);
	bytes_fini(&hostile->texts);
	SSL_CTX_free(hostile->tls);
	pthread_mutex_destroy(&hostile->lock);
}

#endif
