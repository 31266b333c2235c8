/*
 * dialer.h: libcurl's multi handle on our event loop: opens connections and blocks on none.
 *
 *   1. dialer_add gives an easy handle (CURLOPT_CONNECT_ONLY, CURLOPT_PRIVATE its owner) to the multi handle.
 *   2. libcurl says which descriptors and which timer it waits for; they become watches and a timer of the loop.
 *   3. When the handle is done its owner is told, outside libcurl's callbacks, so that he may use and remove it.
 *   4. The handle stays in the multi handle as long as its connection is used: curl_easy_send finds it only there.
 *
 * Threads: the loop's.
 */
#ifndef SLUICE_SMTP_DIALER_H
#define SLUICE_SMTP_DIALER_H

#include <curl/curl.h>

#include "core/loop.h"
#include "core/reason.h"

struct dialer;

typedef void dialer_done_fn(void *owner, CURLcode result);

int dialer_open(
	struct dialer **out, struct loop *loop, dialer_done_fn *done, struct reason *reason);
/* After all handles were removed. */
void dialer_close(struct dialer **dialer);

int dialer_add(struct dialer *dialer, CURL *easy); /* 0 or -ENOMEM */
void dialer_remove(struct dialer *dialer, CURL *easy);

#endif
