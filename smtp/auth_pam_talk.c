#include "smtp/auth_pam.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVICE, ACCOUNT, PASSWORD, PEER, PART_COUNT };

/* A module that prompts without echo gets the password; what else it asks, nobody is there to answer. */
static int answer_prompt(const struct pam_message *message, char **reply, const char *password)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		*reply = strdup(password);
		return *reply != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO:
		return PAM_SUCCESS;
	default:
		return PAM_CONV_ERR;
	}
}

static int converse(int count, const struct pam_message **messages, struct pam_response **replies,
	void *password)
{
	struct pam_response *list;
	int code = PAM_SUCCESS;

	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	list = calloc((size_t)count, sizeof(*list));
	if (list == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count && code == PAM_SUCCESS; i++)
		code = answer_prompt(messages[i], &list[i].resp, password);
	if (code == PAM_SUCCESS) {
		*replies = list;
		return code;
	}
	for (int i = 0; i < count; i++) {
		if (list[i].resp != NULL)
			explicit_bzero(list[i].resp, strlen(list[i].resp));
		free(list[i].resp);
	}
	free(list);
	return code;
}

/* The desk holds replies to wrong passwords itself (auth_guard); held here too they would keep others waiting. */
static void delay_nothing(int code, unsigned delay_us, void *data)
{
	(void)code;
	(void)delay_us;
	(void)data;
}

static int log_in(pam_handle_t *pam, const char *peer)
{
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = {.function = delay_nothing};
	int code;

	if (pam_set_item(pam, PAM_FAIL_DELAY, delay.item) != PAM_SUCCESS ||
		pam_set_item(pam, PAM_RHOST, peer) != PAM_SUCCESS ||
		pam_set_item(pam, PAM_TTY, "smtp") != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	code = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	return code == PAM_SUCCESS ? pam_acct_mgmt(pam, PAM_SILENT) : code;
}

static int ask(const char *const *parts, struct auth_pam_answer *answer)
{
	const struct pam_conv conversation = {converse, (void *)parts[PASSWORD]};
	pam_handle_t *pam = NULL;
	int code = pam_start(parts[SERVICE], parts[ACCOUNT], &conversation, &pam);

	if (code == PAM_SUCCESS)
		code = log_in(pam, parts[PEER]);
	snprintf(answer->text, sizeof(answer->text), "%s", pam_strerror(pam, code));
	if (pam != NULL)
		pam_end(pam, code);
	return code;
}

size_t auth_pam_talk(const uint8_t *text, size_t size, uint8_t *out)
{
	struct auth_pam_answer answer = {.code = PAM_SYSTEM_ERR};
	const char *parts[PART_COUNT];
	const uint8_t *end = text + size;
	size_t count = 0;

	for (; count < PART_COUNT; count++) {
		const uint8_t *nul = memchr(text, '\0', (size_t)(end - text));

		if (nul == NULL)
			break;
		parts[count] = (const char *)text;
		text = nul + 1;
	}
	if (count == PART_COUNT)
		answer.code = ask(parts, &answer);
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}
