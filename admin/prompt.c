#include "admin/prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "admin/printable.h"

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define ENDING_COUNT (sizeof(ending) / sizeof(ending[0]))

enum line { LINE_READ, LINE_END, LINE_LONG, LINE_NUL, LINE_FAILED };

/* Byte by byte: what stands behind the line is somebody else's to read. */
static enum line read_line(char *out, size_t room)
{
	enum line result = LINE_READ;
	size_t size = 0;

	for (;;) {
		char byte;
		ssize_t got = read(STDIN_FILENO, &byte, 1);

		if (got < 0)
			return LINE_FAILED;
		if (got == 0 && size == 0)
			return LINE_END;
		if (got == 0 || byte == '\n')
			break;
		if (byte == '\0')
			result = LINE_NUL;
		if (size + 1 < room)
			out[size++] = byte;
		else
			result = LINE_LONG;
	}
	if (size > 0 && out[size - 1] == '\r')
		size--;
	out[size] = '\0';
	return result;
}

static int explain(enum line line, const char *password, struct reason *reason)
{
	if (line == LINE_FAILED)
		reason_set(reason, "cannot read the password: %s", strerror(errno));
	else if (line == LINE_LONG)
		reason_set(
			reason, "the password is longer than %d bytes", PROMPT_PASSWORD_SIZE - 1);
	else if (line == LINE_NUL)
		reason_set(reason, "the password has a NUL");
	else if (line == LINE_END || password[0] == '\0')
		reason_set(reason, "no password was given");
	else
		return 0;
	return line == LINE_FAILED ? EX_NOINPUT : EX_DATAERR;
}

static int ask(const char *question, const char *name, char *out, struct reason *reason)
{
	enum line line;

	fputs(question, stderr);
	printable_print(stderr, name);
	fputs(": ", stderr);
	fflush(stderr);
	line = read_line(out, PROMPT_PASSWORD_SIZE);
	fputc('\n', stderr);
	return explain(line, out, reason);
}

static int ask_twice(const char *name, char *out, struct reason *reason)
{
	char again[PROMPT_PASSWORD_SIZE];
	int code = ask("Password for ", name, out, reason);

	if (code != 0)
		return code;
	code = ask("Once more for ", name, again, reason);
	if (code == 0 && strcmp(out, again) != 0) {
		reason_set(reason, "the two passwords differ");
		code = EX_DATAERR;
	}
	explicit_bzero(again, sizeof(again));
	return code;
}

/* A signal that ends or stops us must not leave the terminal mute. */
static int ask_unseen(const char *name, char *out, struct reason *reason)
{
	struct sigaction before[ENDING_COUNT], catching = {.sa_handler = catch};
	struct termios usual, mute;
	int code;

	if (tcgetattr(STDIN_FILENO, &usual) < 0) {
		reason_set(reason, "cannot mute the terminal: %s", strerror(errno));
		return EX_IOERR;
	}
	caught = 0;
	for (size_t i = 0; i < ENDING_COUNT; i++)
		sigaction(ending[i], &catching, &before[i]);
	mute = usual;
	mute.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute);
	code = ask_twice(name, out, reason);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		sigaction(ending[i], &before[i], NULL);
	if (caught != 0) {
		explicit_bzero(out, PROMPT_PASSWORD_SIZE);
		raise(caught);
		reason_set(reason, "interrupted; nothing was changed");
		return EX_NOINPUT;
	}
	return code;
}

int prompt_password(const char *name, char out[PROMPT_PASSWORD_SIZE], struct reason *reason)
{
	if (isatty(STDIN_FILENO))
		return ask_unseen(name, out, reason);
	return explain(read_line(out, PROMPT_PASSWORD_SIZE), out, reason);
}
