#include "admin/screen.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\x1b[?1049h\x1b[?25l" /* the other page, no cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME  "\x1b[H"
#define CLEAR "\x1b[J"

struct screen {
	struct termios before;
	bool has_keys; /* standard input is a terminal too */
	int signal_fd;
	sigset_t signals_before;
};

static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};

static void write_all(const void *from, size_t size)
{
	const char *at = from;

	while (size > 0) {
		ssize_t written = write(STDOUT_FILENO, at, size);

		if (written <= 0)
			return; /* the terminal went away; its SIGHUP ends us */
		at += written;
		size -= (size_t)written;
	}
}

static void set_keys(struct screen *screen, bool raw)
{
	struct termios settings = screen->before;

	if (!screen->has_keys)
		return;
	if (raw) {
		settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		settings.c_cc[VMIN] = 0;
		settings.c_cc[VTIME] = 0;
	}
	tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

static void enter(struct screen *screen)
{
	set_keys(screen, true);
	write_all(ENTER, strlen(ENTER));
}

static void leave(struct screen *screen)
{
	write_all(LEAVE, strlen(LEAVE));
	set_keys(screen, false);
}

struct screen *screen_open(void)
{
	struct screen *screen;
	sigset_t signals;

	if (!isatty(STDOUT_FILENO))
		return NULL;
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL)
		return NULL;
	screen->has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		sigaddset(&signals, handled[i]);
	sigprocmask(SIG_BLOCK, &signals, &screen->signals_before);
	screen->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen->signal_fd < 0) {
		sigprocmask(SIG_SETMASK, &screen->signals_before, NULL);
		free(screen);
		return NULL;
	}
	enter(screen);
	return screen;
}

void screen_close(struct screen **screen)
{
	if (screen == NULL || *screen == NULL)
		return;
	leave(*screen);
	close((*screen)->signal_fd);
	sigprocmask(SIG_SETMASK, &(*screen)->signals_before, NULL);
	free(*screen);
	*screen = NULL;
}

static void stop_for_a_while(struct screen *screen)
{
	leave(screen);
	raise(SIGSTOP);
	enter(screen);
}

/* SCREEN_TIME: nothing that matters. */
static enum screen_event read_signal(struct screen *screen)
{
	struct signalfd_siginfo info;

	if (read(screen->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return SCREEN_TIME;
	switch (info.ssi_signo) {
	case SIGTSTP:
		stop_for_a_while(screen);
		return SCREEN_RESIZED;
	case SIGWINCH:
	case SIGCONT:
		return SCREEN_RESIZED;
	default:
		return SCREEN_QUIT;
	}
}

static enum screen_event read_key(void)
{
	char keys[16];
	ssize_t size = read(STDIN_FILENO, keys, sizeof(keys));

	if (size <= 0)
		return SCREEN_QUIT;
	for (ssize_t i = 0; i < size; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 4)
			return SCREEN_QUIT;
	}
	return SCREEN_TIME;
}

enum screen_event screen_wait(struct screen *screen, int wait_ms)
{
	struct pollfd fds[2] = {
		{.fd = screen->signal_fd, .events = POLLIN},
		{.fd = screen->has_keys ? STDIN_FILENO : -1, .events = POLLIN},
	};

	if (poll(fds, 2, wait_ms) <= 0)
		return SCREEN_TIME;
	if (fds[0].revents != 0)
		return read_signal(screen);
	return read_key();
}

struct screen_size screen_size(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		return (struct screen_size){.columns = 100, .rows = 50};
	return (struct screen_size){.columns = size.ws_col, .rows = size.ws_row};
}

void screen_show(const void *frame, size_t size)
{
	write_all(HOME, strlen(HOME));
	write_all(frame, size);
	write_all(CLEAR, strlen(CLEAR));
}

bool screen_has_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (value != NULL && *value != '\0')
			return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL;
	}
	return false;
}

bool screen_has_colours(void)
{
	const char *none = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && (none == NULL || *none == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}
