/*
 * latency: how long a client waits for each reply, while others hand over in bulk.
 *
 *	latency --port PORT [--bulk SESSIONS] [--probes COUNT] [--pause MILLISECONDS] [--least BYTES] [--most BYTES]
 *
 * A child process is the bulk: SESSIONS connections from 127.0.0.2 on, messages of 4 to 10 KiB (or as --least and --most
 * say), each as soon as the one before has its 250. This process is the probe, one blocking connection after the other from 127.0.0.1, so that neither
 * the bulk nor an event loop stands between a reply and its clock. Between probes it waits a random time, so that it does
 * not fall in step with the relay's commits.
 *
 * Prints a line a stage, "banner n=3000 p50=210 p99=…  p999=… max=…" in microseconds, and one of the bulk. `command` is all
 * of EHLO to DATA and QUIT; `dot` is from the final dot to its 250. Ends with 1 when any reply was not as wanted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXT_LEAST    4096
#define TEXT_MOST     10240
#define TEXT_TOP      (32u << 20) /* what --most may say */
#define LINE_BYTES    78
#define BULK_SOURCES  20 /* addresses that the bulk comes from */
#define SESSIONS_MAX  5000
#define WARM_UP_SHARE 5 /* messages a session before the probe begins; of large ones fewer */

static const char FINAL_DOT[] = "\r\n.\r\n";

enum stage { BANNER, EHLO, MAIL, RCPT, DATA, DOT, QUIT, COMMAND, STAGE_TOTAL };

static const char *const stage_names[] = {
	"banner", "ehlo", "mail", "rcpt", "data", "dot", "quit", "command"};

struct shared {
	atomic_ulong acknowledged;
	atomic_ulong refused;
};

struct session {
	int fd;
	enum stage waits_for;
	char reply[1024];
	size_t reply_size;
	char out[1024]; /* a command, or a message's header; then body_size bytes of the filler, and the dot */
	size_t out_size, body_size, end_size, sent;
	unsigned number, serial;
};

static struct shared *shared;
static uint16_t port;
static size_t least = TEXT_LEAST, most = TEXT_MOST - 512;
static char *filler;
static char date[64];

static void die(const char *what)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void prepare(void)
{
	time_t now = time(NULL);
	struct tm parts;

	gmtime_r(&now, &parts);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &parts);
	filler = malloc(most + TEXT_MOST);
	if (filler == NULL)
		die("malloc");
	for (size_t i = 0; i < most + TEXT_MOST; i++)
		filler[i] = (char)('a' + i % 26);
	for (size_t i = LINE_BYTES - 2; i + 2 <= most + TEXT_MOST; i += LINE_BYTES)
		memcpy(filler + i, "\r\n", 2);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
}

static size_t write_header(char *out, size_t room, const char *who, unsigned serial)
{
	return (size_t)snprintf(out, room,
		"From: %s@bench.example\r\nTo: b@example.org\r\nSubject: %u\r\nDate: %s\r\n"
		"Message-ID: <%d.%s.%u@bench.example>\r\n\r\n",
		who, serial, date, (int)getpid(), who, serial);
}

/* The text of a message behind its 354, with the final dot. */
static size_t write_text(char *out, size_t room, size_t size, const char *who, unsigned serial)
{
	size_t head = write_header(out, room, who, serial);
	size_t body = size > head ? size - head : 1;

	memcpy(out + head, filler, body);
	memcpy(out + head + body, FINAL_DOT, 5);
	return head + body + 5;
}

/* ---- the bulk ---- */

static int open_from(uint32_t source, bool blocking)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	if (!blocking)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void next_command(struct session *session)
{
	static unsigned seed = 1;
	char who[32];
	int size = 0;

	snprintf(who, sizeof(who), "bulk%u", session->number);
	if (session->waits_for == BANNER)
		size = snprintf(session->out, sizeof(session->out), "EHLO %s.example\r\n", who);
	else if (session->waits_for == EHLO || session->waits_for == DOT)
		size = snprintf(session->out, sizeof(session->out),
			"MAIL FROM:<%s@bench.example>\r\n", who);
	else if (session->waits_for == MAIL)
		size = snprintf(session->out, sizeof(session->out), "RCPT TO:<b@example.org>\r\n");
	else if (session->waits_for == RCPT)
		size = snprintf(session->out, sizeof(session->out), "DATA\r\n");
	else
		size = (int)write_header(
			session->out, sizeof(session->out), who, session->serial++);
	session->body_size = session->end_size = 0;
	if (session->waits_for == DATA) {
		session->body_size = least + (size_t)rand_r(&seed) % (most - least + 1);
		session->end_size = sizeof(FINAL_DOT) - 1;
	}
	session->waits_for = session->waits_for == DOT ? MAIL : session->waits_for + 1;
	session->out_size = (size_t)size;
	session->sent = 0;
}

static bool has_unsent(const struct session *session)
{
	return session->sent < session->out_size + session->body_size + session->end_size;
}

/* What is left of command or header, body, and dot, in one call. */
static ssize_t send_rest(const struct session *session)
{
	size_t skip = session->sent;
	struct iovec parts[3] = {{(char *)session->out, session->out_size},
		{filler, session->body_size}, {(char *)FINAL_DOT, session->end_size}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};

	for (int i = 0; i < 3; i++) {
		size_t over = skip < parts[i].iov_len ? skip : parts[i].iov_len;

		parts[i].iov_base = (char *)parts[i].iov_base + over;
		parts[i].iov_len -= over;
		skip -= over;
	}
	return sendmsg(session->fd, &message, MSG_NOSIGNAL);
}

static void push(int epoll_fd, struct session *session)
{
	while (has_unsent(session)) {
		ssize_t sent = send_rest(session);

		if (sent < 0 && errno != EAGAIN)
			die("bulk: send");
		if (sent < 0)
			break;
		session->sent += (size_t)sent;
	}
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, session->fd,
		&(struct epoll_event){.data.ptr = session,
			.events = EPOLLIN | (has_unsent(session) ? EPOLLOUT : 0u)});
}

/* Whether `text` ends with the last line of a reply. */
static bool is_whole(const char *text, size_t size)
{
	const char *line = text;

	if (size < 5 || text[size - 1] != '\n')
		return false;
	for (const char *at = text; at < text + size - 1; at++)
		if (*at == '\n')
			line = at + 1;
	return text + size - line >= 5 && line[3] == ' ';
}

static void pull(int epoll_fd, struct session *session)
{
	ssize_t got = recv(session->fd, session->reply + session->reply_size,
		sizeof(session->reply) - session->reply_size, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		die("bulk: the relay closed a connection");
	session->reply_size += (size_t)got;
	if (!is_whole(session->reply, session->reply_size))
		return;
	if (session->reply[0] != '2' && session->reply[0] != '3') {
		shared->refused++;
		fprintf(stderr, "bulk: %.*s", (int)session->reply_size, session->reply);
		exit(1);
	}
	if (session->waits_for == DOT)
		shared->acknowledged++;
	session->reply_size = 0;
	next_command(session);
	push(epoll_fd, session);
}

static void run_bulk(unsigned count)
{
	struct session *sessions = calloc(count, sizeof(*sessions));
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (sessions == NULL || epoll_fd < 0)
		die("bulk");
	for (unsigned i = 0; i < count; i++) {
		struct session *session = &sessions[i];

		session->number = i;
		session->fd = open_from(INADDR_LOOPBACK + 1 + i % BULK_SOURCES, false);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, session->fd,
			    &(struct epoll_event){.data.ptr = session, .events = EPOLLIN}) < 0)
			die("bulk: epoll_ctl");
	}
	for (;;) {
		struct epoll_event events[64];
		int ready = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < ready; i++) {
			struct session *session = events[i].data.ptr;

			if (has_unsent(session))
				push(epoll_fd, session);
			else
				pull(epoll_fd, session);
		}
	}
}

static pid_t start_bulk(unsigned count)
{
	pid_t parent = getpid(), child = fork();

	if (child < 0)
		die("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			exit(1);
		run_bulk(count);
	}
	return child;
}

/* ---- the probe ---- */

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct samples {
	uint32_t *us[STAGE_TOTAL];
	size_t count[STAGE_TOTAL];
	unsigned long segments; /* replies that did not come in one piece */
};

static void note(struct samples *samples, enum stage stage, int64_t began_us)
{
	uint32_t took = (uint32_t)(now_us() - began_us);

	samples->us[stage][samples->count[stage]++] = took;
	if (stage != BANNER && stage != DOT)
		samples->us[COMMAND][samples->count[COMMAND]++] = took;
}

/* A whole reply of this class. */
static void hear(int fd, char wanted, struct samples *samples)
{
	char reply[1024];
	size_t size = 0;

	do {
		ssize_t got = recv(fd, reply + size, sizeof(reply) - size, 0);

		if (got <= 0)
			die("probe: the relay closed the connection");
		samples->segments += size > 0;
		size += (size_t)got;
	} while (!is_whole(reply, size));
	if (reply[0] != wanted) {
		fprintf(stderr, "probe: %.*s", (int)size, reply);
		exit(1);
	}
}

static void ask(int fd, const char *text, size_t size, enum stage stage, struct samples *samples)
{
	int64_t began_us;

	/* the text of a message is sent but for its last octet before the clock starts */
	if (stage == DOT) {
		if (send(fd, text, size - 1, MSG_NOSIGNAL) != (ssize_t)size - 1)
			die("probe: send");
		text += size - 1;
		size = 1;
	}
	began_us = now_us();
	if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("probe: send");
	hear(fd, stage == DATA ? '3' : '2', samples);
	note(samples, stage, began_us);
}

static void probe(unsigned serial, struct samples *samples)
{
	static const struct {
		const char *line;
		enum stage stage;
	} commands[] = {{"EHLO probe.example\r\n", EHLO},
		{"MAIL FROM:<probe@bench.example>\r\n", MAIL},
		{"RCPT TO:<b@example.org>\r\n", RCPT}, {"DATA\r\n", DATA}};
	char text[TEXT_MOST + 1024];
	int64_t began_us = now_us();
	int fd = open_from(INADDR_LOOPBACK, true);

	hear(fd, '2', samples);
	note(samples, BANNER, began_us);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		ask(fd, commands[i].line, strlen(commands[i].line), commands[i].stage, samples);
	ask(fd, text, write_text(text, sizeof(text), TEXT_LEAST, "probe", serial), DOT, samples);
	ask(fd, "QUIT\r\n", 6, QUIT, samples);
	close(fd);
}

static int by_size(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void print_stage(struct samples *samples, enum stage stage)
{
	size_t count = samples->count[stage];
	const uint32_t *us = samples->us[stage];

	qsort(samples->us[stage], count, sizeof(*us), by_size);
	printf("%s n=%zu p50=%u p99=%u p999=%u max=%u\n", stage_names[stage], count, us[count / 2],
		us[count * 99 / 100], us[count * 999 / 1000], us[count - 1]);
}

/* The bulk is at work before the probe begins. */
static void wait_for_bulk(pid_t bulk, unsigned sessions)
{
	unsigned long warm =
		most > TEXT_MOST ? sessions / 10 + 1 : (unsigned long)sessions * WARM_UP_SHARE;

	for (unsigned i = 0; shared->acknowledged < warm; i++) {
		usleep(10000);
		if (i > 3000 || waitpid(bulk, NULL, WNOHANG) == bulk) {
			fputs("latency: the bulk does not get on\n", stderr);
			exit(1);
		}
	}
}

static void measure(unsigned probes, unsigned pause_ms, pid_t bulk)
{
	struct samples samples = {0};
	unsigned seed = 7;
	unsigned long before = shared->acknowledged;
	int64_t began_us = now_us();

	for (int i = 0; i < STAGE_TOTAL; i++)
		if ((samples.us[i] = calloc((size_t)probes * 8, sizeof(uint32_t))) == NULL)
			die("probe");
	for (unsigned i = 0; i < probes; i++) {
		probe(i, &samples);
		if (pause_ms > 0)
			usleep((unsigned)rand_r(&seed) % (2000 * pause_ms));
	}
	if (bulk > 0 && waitpid(bulk, NULL, WNOHANG) == bulk) {
		fputs("latency: the bulk ended before the probe\n", stderr);
		exit(1);
	}
	for (int i = 0; i < STAGE_TOTAL; i++)
		print_stage(&samples, (enum stage)i);
	printf("bulk messages=%lu per_second=%.0f refused=%lu split_replies=%lu\n",
		shared->acknowledged - before,
		(double)(shared->acknowledged - before) * 1e6 / (double)(now_us() - began_us),
		(unsigned long)shared->refused, samples.segments);
	for (int i = 0; i < STAGE_TOTAL; i++)
		free(samples.us[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
		{"bulk", required_argument, NULL, 'b'}, {"probes", required_argument, NULL, 'n'},
		{"pause", required_argument, NULL, 'w'}, {"least", required_argument, NULL, 'l'},
		{"most", required_argument, NULL, 'm'}, {0}};
	unsigned sessions = 200, probes = 3000, pause_ms = 2;
	pid_t bulk = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned value = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		if (option == 'p')
			port = (uint16_t)value;
		else if (option == 'b')
			sessions = value;
		else if (option == 'n')
			probes = value;
		else if (option == 'w')
			pause_ms = value;
		else if (option == 'l')
			least = value;
		else if (option == 'm')
			most = value;
		else
			return 64;
	}
	if (port == 0 || probes == 0 || sessions > SESSIONS_MAX || least > most ||
		most > TEXT_TOP) {
		fputs("usage: latency --port PORT [--bulk SESSIONS] [--probes COUNT] [--pause "
		      "MILLISECONDS] [--least BYTES] [--most BYTES]\n",
			stderr);
		return 64;
	}
	prepare();
	if (sessions > 0) {
		bulk = start_bulk(sessions);
		wait_for_bulk(bulk, sessions);
	}
	measure(probes, pause_ms, bulk);
	if (bulk > 0) {
		kill(bulk, SIGKILL);
		waitpid(bulk, NULL, 0);
	}
	return 0;
}
