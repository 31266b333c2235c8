/*
 * upstream.c: a demonstration and test upstream: an SMTP server that is busy when its script says so.
 *
 *	upstream --listen 127.0.0.1:2526 [--busy STAGE@FROM-TO]… [--spells SECONDS] [--keep DIR] [--quiet] [--control]
 *
 * STAGE is banner, ehlo, mail, rcpt, data or dot; FROM and TO are seconds since start (fractions allowed). While a spell
 * lasts that stage is answered "421 4.7.0 I'm busy" and the connection closed. --spells makes one of a second at a
 * stage in turn every so often. --keep writes each message to DIR/N.eml and its envelope to DIR/N.env. --control reads
 * orders from standard input, and ends with it:
 *	busy STAGE    as in a spell, until another order
 *	hang STAGE    no answer there, and none ever on that connection
 *	drop          takes each message, and closes the connection instead of saying so
 *	refuse        closes all connections and listens no more
 *	open, count, quit
 *
 * Events go to standard output, one a line: "SECONDS connect", "SECONDS busy stage=rcpt", "SECONDS hang stage=rcpt",
 * "SECONDS message n=1 from=<> rcpts=1 size=4096", "SECONDS dropped n=1". It offers PIPELINING, 8BITMIME and SIZE, speaks just enough of
 * RFC 5321, and is part of the tests, not of the relay.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "core/bytes.h"
#include "core/listen.h"
#include "core/loop.h"

enum stage { BANNER, EHLO, MAIL, RCPT, DATA, DOT, STAGE_TOTAL, NONE };

static const char *const stage_names[] = {"banner", "ehlo", "mail", "rcpt", "data", "dot"};

struct spell {
	enum stage stage;
	int64_t from_ms, to_ms;
};

#define SPELLS_MAX 64

enum fault { CALM, BUSY, HANG, DROP };

struct client;
LIST_HEAD(client_list, client);

struct upstream {
	struct loop *loop;
	struct client_list clients;
	struct address address;
	struct loop_watch listen_watch, control_watch;
	int listen_fd;
	int64_t started_ms;
	struct spell spells[SPELLS_MAX];
	size_t spell_count;
	int64_t spell_every_ms;
	enum fault fault; /* by control */
	enum stage fault_at;
	const char *keep;
	bool quiet, ended;
	unsigned long connects, messages, refusals;
	char control[256];
	size_t control_size;
};

struct client {
	struct upstream *upstream;
	struct loop_watch watch;
	struct bytes in, out, text, envelope;
	LIST_ENTRY(client) link;
	unsigned recipients;
	bool in_data, closing, hung;
};

static int64_t elapsed_ms(const struct upstream *upstream)
{
	return clock_mono_ms(&clock_system) - upstream->started_ms;
}

__attribute__((format(printf, 2, 3))) static void say(
	const struct upstream *upstream, const char *format, ...)
{
	int64_t now = elapsed_ms(upstream);
	va_list args;

	if (upstream->quiet)
		return;
	printf("%lld.%03lld ", (long long)(now / 1000), (long long)(now % 1000));
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static bool is_busy(const struct upstream *upstream, enum stage stage)
{
	int64_t now = elapsed_ms(upstream);

	if (upstream->fault == BUSY && upstream->fault_at == stage)
		return true;
	for (size_t i = 0; i < upstream->spell_count; i++) {
		const struct spell *spell = &upstream->spells[i];

		if (spell->stage == stage && now >= spell->from_ms && now < spell->to_ms)
			return true;
	}
	if (upstream->spell_every_ms > 0 && now >= upstream->spell_every_ms) {
		int64_t turn = now / upstream->spell_every_ms;

		return (enum stage)(turn % STAGE_TOTAL) == stage &&
		       now % upstream->spell_every_ms < 1000;
	}
	return false;
}

static void client_close(struct client *client)
{
	loop_watch_remove(client->upstream->loop, &client->watch);
	LIST_REMOVE(client, link);
	close(client->watch.fd);
	bytes_fini(&client->in);
	bytes_fini(&client->out);
	bytes_fini(&client->text);
	bytes_fini(&client->envelope);
	free(client);
}

static void reply(struct client *client, const char *line)
{
	if (!bytes_append_text(&client->out, line) || !bytes_append_text(&client->out, "\r\n"))
		client->closing = true;
}

/* Whether the stage is busy now: the client has its answer and its connection ends. Or it hangs, and hears nothing. */
static bool refuse_if_busy(struct client *client, enum stage stage)
{
	if (client->upstream->fault == HANG && client->upstream->fault_at == stage) {
		client->hung = true;
		client->upstream->refusals++;
		say(client->upstream, "hang stage=%s", stage_names[stage]);
		return true;
	}
	if (!is_busy(client->upstream, stage))
		return false;
	reply(client, "421 4.7.0 I'm busy");
	client->closing = true;
	client->upstream->refusals++;
	say(client->upstream, "busy stage=%s", stage_names[stage]);
	return true;
}

static void keep_file(
	const struct upstream *upstream, const char *suffix, const struct bytes *bytes)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%lu.%s", upstream->keep, upstream->messages, suffix);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes->data, 1, bytes->size, file) != bytes->size) {
		perror(path);
		exit(1);
	}
	fclose(file);
}

static void take_message(struct client *client)
{
	struct upstream *upstream = client->upstream;

	client->in_data = false;
	if (refuse_if_busy(client, DOT))
		return;
	upstream->messages++;
	if (upstream->keep != NULL) {
		keep_file(upstream, "env", &client->envelope);
		keep_file(upstream, "eml", &client->text);
	}
	say(upstream, "message n=%lu rcpts=%u size=%zu %.*s", upstream->messages,
		client->recipients, client->text.size,
		(int)strcspn((const char *)client->envelope.data, "\n"),
		(const char *)client->envelope.data);
	client->recipients = 0;
	if (upstream->fault == DROP) {
		say(upstream, "dropped n=%lu", upstream->messages);
		client->closing = true;
		return;
	}
	reply(client, "250 2.0.0 taken");
}

/* A line of text without its CRLF. */
static void take_text(struct client *client, const uint8_t *line, size_t size)
{
	if (size == 1 && line[0] == '.') {
		take_message(client);
		return;
	}
	if (size > 0 && line[0] == '.') {
		line++;
		size--;
	}
	if (!bytes_append(&client->text, line, size) || !bytes_append(&client->text, "\r\n", 2))
		client->closing = true;
}

static bool begins(const uint8_t *line, size_t size, const char *verb)
{
	size_t length = strlen(verb);

	return size >= length && strncasecmp((const char *)line, verb, length) == 0;
}

static void take_command(struct client *client, const uint8_t *line, size_t size)
{
	if (begins(line, size, "EHLO")) {
		if (refuse_if_busy(client, EHLO))
			return;
		reply(client, "250-upstream.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
			      "250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600");
	} else if (begins(line, size, "HELO")) {
		if (!refuse_if_busy(client, EHLO))
			reply(client, "250 upstream.example");
	} else if (begins(line, size, "MAIL FROM:")) {
		if (refuse_if_busy(client, MAIL))
			return;
		bytes_clear(&client->envelope);
		bytes_clear(&client->text);
		client->recipients = 0;
		if (!bytes_printf(&client->envelope, "%.*s\n", (int)size - 5, line + 5))
			client->closing = true;
		reply(client, "250 2.1.0 ok");
	} else if (begins(line, size, "RCPT TO:")) {
		if (refuse_if_busy(client, RCPT))
			return;
		if (!bytes_printf(&client->envelope, "%.*s\n", (int)size - 5, line + 5))
			client->closing = true;
		client->recipients++;
		reply(client, "250 2.1.5 ok");
	} else if (begins(line, size, "DATA")) {
		if (refuse_if_busy(client, DATA))
			return;
		client->in_data = client->recipients > 0;
		reply(client, client->in_data ? "354 go on" : "503 5.5.1 no recipient");
	} else if (begins(line, size, "RSET") || begins(line, size, "NOOP")) {
		client->recipients = 0;
		reply(client, "250 2.0.0 ok");
	} else if (begins(line, size, "QUIT")) {
		reply(client, "221 2.0.0 bye");
		client->closing = true;
	} else {
		reply(client, "502 5.5.1 not here");
	}
}

static void take_input(struct client *client)
{
	size_t from = 0;

	while (!client->closing && !client->hung && from < client->in.size) {
		const uint8_t *line = client->in.data + from;
		const uint8_t *end = memmem(line, client->in.size - from, "\r\n", 2);

		if (end == NULL)
			break;
		if (client->in_data)
			take_text(client, line, (size_t)(end - line));
		else
			take_command(client, line, (size_t)(end - line));
		from = (size_t)(end + 2 - client->in.data);
	}
	bytes_consume(&client->in, from);
}

static void client_ready(void *owner, uint32_t events)
{
	struct client *client = owner;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t count;

		if (!bytes_reserve(&client->in, 65536)) {
			client_close(client);
			return;
		}
		count = read(client->watch.fd, client->in.data + client->in.size, 65536);
		if (count == 0 || (count < 0 && errno != EAGAIN)) {
			client_close(client);
			return;
		}
		if (count > 0)
			client->in.size += (size_t)count;
		take_input(client);
	}
	if (client->out.size > 0) {
		ssize_t sent =
			send(client->watch.fd, client->out.data, client->out.size, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN) {
			client_close(client);
			return;
		}
		if (sent > 0)
			bytes_consume(&client->out, (size_t)sent);
	}
	if (client->closing && client->out.size == 0) {
		client_close(client);
		return;
	}
	loop_watch_change(client->upstream->loop, &client->watch,
		client->out.size > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void accept_clients(void *owner, uint32_t events)
{
	struct upstream *upstream = owner;
	int fd;

	(void)events;
	while ((fd = accept4(upstream->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *client = calloc(1, sizeof(*client));

		if (client == NULL) {
			close(fd);
			return;
		}
		client->upstream = upstream;
		client->watch = (struct loop_watch){.owner = client, .ready = client_ready};
		upstream->connects++;
		say(upstream, "connect");
		if (loop_watch_add(upstream->loop, &client->watch, fd, EPOLLIN) < 0) {
			close(fd);
			free(client);
			return;
		}
		LIST_INSERT_HEAD(&upstream->clients, client, link);
		if (!refuse_if_busy(client, BANNER))
			reply(client, "220 upstream.example ESMTP demonstration");
		client_ready(client, 0);
	}
}

static enum stage find_stage(const char *name)
{
	for (int i = 0; i < STAGE_TOTAL; i++)
		if (strcmp(name, stage_names[i]) == 0)
			return (enum stage)i;
	return NONE;
}

/* False: the port is not to be had. */
static bool start_listening(struct upstream *upstream)
{
	struct reason reason;

	upstream->listen_fd = listen_open(&upstream->address, &reason);
	if (upstream->listen_fd < 0) {
		fprintf(stderr, "upstream: %s\n", reason.text);
		return false;
	}
	upstream->listen_watch = (struct loop_watch){.owner = upstream, .ready = accept_clients};
	return loop_watch_add(
		       upstream->loop, &upstream->listen_watch, upstream->listen_fd, EPOLLIN) == 0;
}

static void stop_listening(struct upstream *upstream)
{
	loop_watch_remove(upstream->loop, &upstream->listen_watch);
	close(upstream->listen_fd);
	upstream->listen_fd = -1;
	while (!LIST_EMPTY(&upstream->clients))
		client_close(LIST_FIRST(&upstream->clients));
}

static void set_fault(struct upstream *upstream, enum fault fault, enum stage stage)
{
	upstream->fault = fault;
	upstream->fault_at = stage;
	if (upstream->listen_fd < 0 && !start_listening(upstream))
		upstream->ended = true;
}

static void take_order(struct upstream *upstream, const char *order)
{
	if (strncmp(order, "busy ", 5) == 0)
		set_fault(upstream, BUSY, find_stage(order + 5));
	else if (strncmp(order, "hang ", 5) == 0)
		set_fault(upstream, HANG, find_stage(order + 5));
	else if (strcmp(order, "drop") == 0)
		set_fault(upstream, DROP, NONE);
	else if (strcmp(order, "open") == 0)
		set_fault(upstream, CALM, NONE);
	else if (strcmp(order, "refuse") == 0 && upstream->listen_fd >= 0)
		stop_listening(upstream);
	else if (strcmp(order, "quit") == 0)
		upstream->ended = true;
	printf("count connects=%lu messages=%lu refusals=%lu\n", upstream->connects,
		upstream->messages, upstream->refusals);
	fflush(stdout);
}

static void read_orders(void *owner, uint32_t events)
{
	struct upstream *upstream = owner;
	ssize_t count = read(STDIN_FILENO, upstream->control + upstream->control_size,
		sizeof(upstream->control) - upstream->control_size - 1);
	char *end;

	(void)events;
	if (count <= 0) {
		upstream->ended = true;
		return;
	}
	upstream->control_size += (size_t)count;
	upstream->control[upstream->control_size] = '\0';
	while ((end = strchr(upstream->control, '\n')) != NULL) {
		*end = '\0';
		take_order(upstream, upstream->control);
		upstream->control_size -= (size_t)(end + 1 - upstream->control);
		memmove(upstream->control, end + 1, upstream->control_size + 1);
	}
}

static int add_spell(struct upstream *upstream, char *text)
{
	struct spell *spell = &upstream->spells[upstream->spell_count];
	char *at = strchr(text, '@');
	double from, to;

	if (upstream->spell_count == SPELLS_MAX || at == NULL)
		return -1;
	*at = '\0';
	spell->stage = find_stage(text);
	if (spell->stage == NONE || sscanf(at + 1, "%lf-%lf", &from, &to) != 2)
		return -1;
	spell->from_ms = (int64_t)(from * 1000);
	spell->to_ms = (int64_t)(to * 1000);
	upstream->spell_count++;
	return 0;
}

static int usage(void)
{
	fputs("usage: upstream --listen ADDRESS:PORT [--busy STAGE@FROM-TO]... [--spells SECONDS] "
	      "[--keep DIR] [--quiet] [--control]\n",
		stderr);
	return 64;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
		{"busy", required_argument, NULL, 'b'}, {"spells", required_argument, NULL, 's'},
		{"keep", required_argument, NULL, 'k'}, {"quiet", no_argument, NULL, 'q'},
		{"control", no_argument, NULL, 'c'}, {0}};
	struct upstream upstream = {.fault_at = NONE, .listen_fd = -1};
	bool control = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l' && address_parse(optarg, &upstream.address) == 0)
			continue;
		if (option == 'b' && add_spell(&upstream, optarg) == 0)
			continue;
		if (option == 's')
			upstream.spell_every_ms = atol(optarg) * 1000;
		else if (option == 'k')
			upstream.keep = optarg;
		else if (option == 'q')
			upstream.quiet = true;
		else if (option == 'c')
			control = true;
		else
			return usage();
	}
	if (upstream.address.size == 0 || optind != argc)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	upstream.loop = loop_open(&clock_system);
	upstream.started_ms = clock_mono_ms(&clock_system);
	if (upstream.loop == NULL || !start_listening(&upstream))
		return 71;
	upstream.control_watch = (struct loop_watch){.owner = &upstream, .ready = read_orders};
	if (control &&
		loop_watch_add(upstream.loop, &upstream.control_watch, STDIN_FILENO, EPOLLIN) < 0)
		return 71;
	say(&upstream, "listening");
	while (!upstream.ended)
		if (loop_step(upstream.loop, -1) < 0)
			return 71;
	return 0;
}
