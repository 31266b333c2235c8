/*
 * The backend of PAM: each question is a task of the helper process, in a process of its own there (auth_pam_talk.c).
 */
#include "smtp/auth_pam.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define TASK_SIZE 1024 /* holds AUTH_NAME_SIZE, AUTH_PASSWORD_SIZE, a service and an address */

struct pam;

struct slot {
	struct helper_task task;
	struct pam *pam;
	struct auth_question *question; /* NULL: free */
};

struct pam {
	struct auth_backend backend; /* first */
	struct helper *helper;
	char *service;
	int64_t timeout_ms;
	struct slot slots[HELPER_AT_ONCE];
	size_t used;
	bool given_up;
};

static struct pam *pam_of(struct auth_backend *backend)
{
	return (struct pam *)(void *)backend;
}

enum auth_verdict auth_pam_verdict(int code)
{
	switch (code) {
	case PAM_SUCCESS:
		return AUTH_VERDICT_RIGHT;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_ACCT_EXPIRED:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_NEW_AUTHTOK_REQD: /* nobody is there to give one */
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
	case PAM_CONV_ERR: /* it asks for more than a password */
		return AUTH_VERDICT_WRONG;
	default:
		return AUTH_VERDICT_UNAVAILABLE;
	}
}

static bool has_room(const struct auth_backend *backend)
{
	const struct pam *pam = (const struct pam *)(const void *)backend;

	return pam->used < HELPER_AT_ONCE && helper_has_room(pam->helper);
}

static void tell_failure(const struct slot *slot, enum helper_end end)
{
	static const char *const words[] = {
		[HELPER_LATE] = "no answer in time",
		[HELPER_DIED] = "its process died",
		[HELPER_GONE] = "the helper process is gone",
	};
	struct log_quoted account;

	log_event_limited(LOG_WARNING, "pam_unavailable", "service=%s account=\"%s\" why=\"%s\"",
		slot->pam->service, log_text(&account, slot->question->account), words[end]);
}

static enum auth_verdict judge(const struct slot *slot, const uint8_t *bytes)
{
	struct log_quoted account, text;
	struct auth_pam_answer answer;
	enum auth_verdict verdict;

	memcpy(&answer, bytes, sizeof(answer));
	answer.text[sizeof(answer.text) - 1] = '\0';
	verdict = auth_pam_verdict(answer.code);
	if (verdict == AUTH_VERDICT_UNAVAILABLE ||
		(verdict == AUTH_VERDICT_WRONG && answer.code != PAM_AUTH_ERR))
		log_event_limited(verdict == AUTH_VERDICT_WRONG ? LOG_INFO : LOG_WARNING,
			verdict == AUTH_VERDICT_WRONG ? "pam_refused" : "pam_unavailable",
			"service=%s account=\"%s\" why=\"%s\"", slot->pam->service,
			log_text(&account, slot->question->account), log_text(&text, answer.text));
	return verdict;
}

static void take_end(
	struct helper_task *task, enum helper_end end, const uint8_t *answer, size_t size)
{
	struct slot *slot = task->owner;
	struct auth_question *question = slot->question;
	enum auth_verdict verdict = AUTH_VERDICT_UNAVAILABLE;

	if (end == HELPER_DONE && size != sizeof(struct auth_pam_answer))
		end = HELPER_DIED;
	if (end == HELPER_DONE)
		verdict = judge(slot, answer);
	else
		tell_failure(slot, end);
	slot->question = NULL;
	slot->pam->used--;
	question->answered(question, verdict);
}

/* With its NUL. */
static size_t put(char *text, size_t at, const char *part)
{
	size_t size = strlen(part) + 1;

	if (size > TASK_SIZE - at)
		log_panic("auth: a question to PAM of more than %d bytes", TASK_SIZE);
	memcpy(text + at, part, size);
	return at + size;
}

static void ask(struct auth_backend *backend, struct auth_question *question)
{
	struct pam *pam = pam_of(backend);
	struct slot *slot = pam->slots;
	char text[TASK_SIZE], peer[ADDRESS_TEXT_SIZE];
	size_t size = 0;

	if (pam->given_up) {
		question->answered(question, AUTH_VERDICT_UNAVAILABLE);
		return;
	}
	while (slot->question != NULL)
		slot++;
	pam->used++;
	slot->question = question;
	size = put(text, size, pam->service);
	size = put(text, size, question->account);
	size = put(text, size, question->password);
	size = put(text, size, address_format_host(question->peer, peer));
	helper_ask(pam->helper, &slot->task, 0, text, size, pam->timeout_ms);
	explicit_bzero(text, sizeof(text));
}

static void configure(struct auth_backend *backend, const struct config *config)
{
	struct pam *pam = pam_of(backend);
	char *service = strdup(config->auth_pam);

	pam->timeout_ms = config->auth_timeout_ms;
	if (service == NULL) {
		log_event(LOG_ERROR, "auth_reload_failed",
			"hint=\"logins keep the old service; reload again\"");
		return;
	}
	free(pam->service);
	pam->service = service;
}

static void give_up(struct auth_backend *backend)
{
	struct pam *pam = pam_of(backend);

	pam->given_up = true;
	helper_give_up(pam->helper);
}

static void close_pam(struct auth_backend *backend)
{
	struct pam *pam = pam_of(backend);

	helper_detach(pam->helper);
	free(pam->service);
	free(pam);
}

static const struct auth_backend_kind kind = {
	.name = "pam",
	.has_room = has_room,
	.ask = ask,
	.configure = configure,
	.give_up = give_up,
	.close = close_pam,
};

struct auth_backend *auth_pam_open(
	const struct auth_host *host, const struct config *config, struct reason *reason)
{
	struct pam *pam = calloc(1, sizeof(*pam));
	int rc;

	if (pam == NULL) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	pam->backend.kind = &kind;
	pam->helper = host->helper;
	pam->timeout_ms = config->auth_timeout_ms;
	pam->service = strdup(config->auth_pam);
	for (size_t i = 0; i < HELPER_AT_ONCE; i++) {
		pam->slots[i].pam = pam;
		pam->slots[i].task =
			(struct helper_task){.owner = &pam->slots[i], .ended = take_end};
	}
	rc = helper_attach(pam->helper, host->loop);
	if (pam->service != NULL && rc == 0)
		return &pam->backend;
	reason_set(reason, "auth: %s", rc < 0 ? strerror(-rc) : "out of memory");
	close_pam(&pam->backend);
	return NULL;
}
