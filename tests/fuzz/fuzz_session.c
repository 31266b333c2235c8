/*
 * fuzz_session.c: a whole session over a socket pair, with a real store and no threads. Whatever a client sends, however it
 * is cut: each answer is a line of SMTP, a fragile client never hears 4xx, the answers are the same, and the session ends
 * when the client has gone. What is stored is read back both ways: it ends in CRLF, and the repaired text of a fragile client
 * holds no NUL. The first byte of the input chooses the listener, the client's profile, and how the input is cut. Clients
 * without a profile may log in, and the password says what the auth desk answers.
 */
#include "tests/unit/smtp/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define RUNS_PER_PLACE 500 /* then a new store, so that none fills */
#define HEARD_BYTES    (1u << 20)
#define INPUT_BYTES    4096

struct heard {
	char text[HEARD_BYTES];
	size_t size;
};

static const char plain_peer[] = "192.0.2.1:4711"; /* without a profile */
static struct place place;
static unsigned runs;
static uint64_t last_id;

static struct auth *const desk = (void *)&place;

void auth_submit(struct auth *auth, struct auth_request *request)
{
	if (auth != desk || strnlen(request->account, AUTH_NAME_SIZE) == 0 ||
		memchr(request->password, '\0', AUTH_PASSWORD_SIZE) == NULL)
		abort();
	request->result = (enum auth_result)(request->password[0] & 3);
	if (!mailbox_push(request->answer_to, &request->letter))
		abort();
}

static void close_at_exit(void)
{
	place_close(&place);
}

static void open_place(void)
{
	if (runs++ % RUNS_PER_PLACE != 0)
		return;
	if (runs == 1)
		atexit(close_at_exit);
	else
		place_close(&place);
	place_open_with(&place, PLACE_MAP, desk);
	for (size_t i = 0; i < place.config->listener_count; i++)
		place.config->listeners[i].auth = LISTENER_AUTH_OPTIONAL;
	last_id = 0;
}

static void hear(struct client *client, struct heard *heard)
{
	ssize_t got;

	place_turn(&place);
	while (heard->size < HEARD_BYTES - 1 && (got = recv(client->fd, heard->text + heard->size,
							 HEARD_BYTES - 1 - heard->size, 0)) > 0) {
		heard->size += (size_t)got;
		place_turn(&place);
	}
	heard->text[heard->size] = '\0';
}

/* The peer may be gone: what is left is not said. */
static void say(struct client *client, const uint8_t *bytes, size_t size, struct heard *heard)
{
	while (size > 0) {
		ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		}
		hear(client, heard);
	}
}

/* "250 2.0.0 Ok: queued as 0A…" names another id each time. */
static void forget_ids(struct heard *heard)
{
	static const char mark[] = "queued as ";

	for (char *at = heard->text; (at = strstr(at, mark)) != NULL;) {
		at += strlen(mark);
		while (*at != '\r' && *at != '\0')
			*at++ = '#';
	}
}

/* What upstream would get. */
static void check_text(const struct envelope *envelope, enum reader_how how, bool fragile)
{
	static uint8_t piece[STORE_PIECE_BYTES];
	struct reader reader;
	uint8_t last = 0;
	ssize_t got;

	reader_init(&reader, place.scene.view, envelope, how);
	while ((got = reader_next(&reader, piece)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if ((last == '\r') != (piece[i] == '\n'))
				abort();
			if (fragile && piece[i] == '\0')
				abort();
			if (how == READ_SEVENBIT && piece[i] > 127)
				abort();
			last = piece[i];
		}
	}
	if (got < 0 || last != '\n')
		abort();
	reader_fini(&reader);
}

/* The messages that are new. */
static void check_store(bool fragile)
{
	struct envelope *envelope;

	while (store_view_list(place.scene.view, last_id, &envelope, 1) == 1) {
		check_text(envelope, READ_EIGHTBIT, fragile);
		if (envelope->flags & ENVELOPE_SEVENBIT_POSSIBLE)
			check_text(envelope, READ_SEVENBIT, fragile);
		last_id = envelope->id;
		envelope_close(&envelope);
	}
}

static void run(const uint8_t *input, size_t size, size_t step, unsigned listener, const char *peer,
	struct heard *heard)
{
	struct client client;

	heard->size = 0;
	client_open_from(&client, &place, listener, peer);
	if (strcmp(peer, plain_peer) == 0)
		place_protect(&place);
	hear(&client, heard);
	for (size_t at = 0; at < size; at += step)
		say(&client, input + at, size - at < step ? size - at : step, heard);
	shutdown(client.fd, SHUT_WR);
	hear(&client, heard);
	client_leave(&client);
	if (place_sessions(&place) != 0)
		abort();
	check_store(listener == PLACE_FRAGILE);
	forget_ids(heard);
}

static void check_lines(const struct heard *heard, unsigned listener)
{
	for (const char *line = heard->text; *line != '\0';) {
		const char *end = strstr(line, "\r\n");

		if (end == NULL || end - line < 4 || end - line > 510 || line[0] < '2' ||
			line[0] > '5' || (line[3] != ' ' && line[3] != '-'))
			abort();
		if (line[0] == '4' && listener == PLACE_FRAGILE)
			abort();
		for (const char *at = line; at < end; at++)
			if (*at < ' ' || *at > '~')
				abort();
		line = end + 2;
	}
}

/*
 * Where a part of what an LF-only client says ends in LF "." LF, its text ends there (dotstream.h): the answers may differ with
 * the cut then.
 */
static bool depends_on_cut(const uint8_t *input, size_t size)
{
	const uint8_t *dot = memmem(input, size, "\n.\n", 3);

	return dot != NULL && memchr(input, '\r', (size_t)(dot - input)) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	/* netcat-script, gsm-modem, old-firmware: place.h */
	static const char *const peers[] = {
		plain_peer, "192.0.2.101:1", "192.0.2.102:2", "192.0.2.103:3"};
	static struct heard whole, cut;
	unsigned listener;
	const char *peer;

	if (size < 2 || size > INPUT_BYTES)
		return 0;
	open_place();
	listener = input[0] & 1 ? PLACE_FRAGILE : PLACE_STANDARD;
	peer = peers[input[0] >> 1 & 3];
	run(input + 1, size - 1, size, listener, peer, &whole);
	check_lines(&whole, listener);
	run(input + 1, size - 1, 1 + (size_t)(input[0] >> 3), listener, peer, &cut);
	check_lines(&cut, listener);
	if (listener == PLACE_FRAGILE && depends_on_cut(input + 1, size - 1))
		return 0;
	if (whole.size != cut.size || memcmp(whole.text, cut.text, whole.size) != 0)
		abort();
	return 0;
}
