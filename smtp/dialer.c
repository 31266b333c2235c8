#include "smtp/dialer.h"

#include <errno.h>
#include <stdlib.h>

struct dialer {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	dialer_done_fn *done;
};

struct dialer_socket {
	struct loop_watch watch;
	struct dialer *dialer;
};

/* Tells the owners of the handles that are done. An owner may remove his handle, and others. */
static void tell_done(struct dialer *dialer)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(dialer->multi, &left)) != NULL) {
		CURLcode result = message->data.result;
		void *owner = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&owner);
		dialer->done(owner, result);
	}
}

static void act(struct dialer *dialer, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(dialer->multi, fd, events, &running);
	tell_done(dialer);
}

static void socket_ready(void *owner, uint32_t events)
{
	struct dialer_socket *socket = owner;
	int for_curl = 0;

	if (events & EPOLLIN)
		for_curl |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		for_curl |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		for_curl |= CURL_CSELECT_ERR;
	act(socket->dialer, socket->watch.fd, for_curl);
}

static void timer_fired(void *owner)
{
	act(owner, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_socket(struct dialer *dialer, curl_socket_t fd, uint32_t events)
{
	struct dialer_socket *socket = calloc(1, sizeof(*socket));

	if (socket == NULL)
		return -1;
	socket->dialer = dialer;
	socket->watch.owner = socket;
	socket->watch.ready = socket_ready;
	if (loop_watch_add(dialer->loop, &socket->watch, fd, events) < 0) {
		free(socket);
		return -1;
	}
	curl_multi_assign(dialer->multi, fd, socket);
	return 0;
}

/* CURLMOPT_SOCKETFUNCTION. -1 makes libcurl give up the transfer, which its owner then hears of. */
static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *owner, void *assigned)
{
	struct dialer *dialer = owner;
	struct dialer_socket *socket = assigned;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (socket != NULL)
			loop_watch_remove(dialer->loop, &socket->watch);
		free(socket);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (socket == NULL)
		return watch_socket(dialer, fd, events);
	return loop_watch_change(dialer->loop, &socket->watch, events) < 0 ? -1 : 0;
}

static int timer_changed(CURLM *multi, long timeout_ms, void *owner)
{
	struct dialer *dialer = owner;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_clear(dialer->loop, &dialer->timer);
	else
		loop_timer_set(
			dialer->loop, &dialer->timer, loop_now_ms(dialer->loop) + timeout_ms);
	return 0;
}

int dialer_open(struct dialer **out, struct loop *loop, dialer_done_fn *done, struct reason *reason)
{
	struct dialer *dialer = calloc(1, sizeof(*dialer));

	*out = dialer;
	if (dialer == NULL)
		return reason_set(reason, "out of memory");
	dialer->loop = loop;
	dialer->done = done;
	dialer->timer = (struct loop_timer){.owner = dialer, .fire = timer_fired};
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(dialer);
		*out = NULL;
		return reason_set(reason, "libcurl does not start");
	}
	dialer->multi = curl_multi_init();
	if (dialer->multi == NULL) {
		dialer_close(out);
		return reason_set(reason, "out of memory");
	}
	curl_multi_setopt(dialer->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
	curl_multi_setopt(dialer->multi, CURLMOPT_SOCKETDATA, dialer);
	curl_multi_setopt(dialer->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
	curl_multi_setopt(dialer->multi, CURLMOPT_TIMERDATA, dialer);
	return 0;
}

void dialer_close(struct dialer **dialer)
{
	if (dialer == NULL || *dialer == NULL)
		return;
	curl_multi_cleanup((*dialer)->multi);
	loop_timer_clear((*dialer)->loop, &(*dialer)->timer);
	curl_global_cleanup();
	free(*dialer);
	*dialer = NULL;
}

int dialer_add(struct dialer *dialer, CURL *easy)
{
	return curl_multi_add_handle(dialer->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void dialer_remove(struct dialer *dialer, CURL *easy)
{
	curl_multi_remove_handle(dialer->multi, easy);
}
