/*
 * A PAM module that does what modules do to whoever loads them: by the account's name it hangs, crashes, ends the process, leaves a
 * child behind, asks for more, or says that something is away. Any other account is right with the password "apple".
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask_for_more(pam_handle_t *pam)
{
	char *reply = NULL;
	int code = pam_prompt(pam, PAM_PROMPT_ECHO_ON, &reply, "Code: ");

	free(reply);
	return code;
}

static int compare(pam_handle_t *pam)
{
	const char *password = NULL;
	int code = pam_get_authtok(pam, PAM_AUTHTOK, &password, NULL);

	if (code != PAM_SUCCESS)
		return code;
	return strcmp(password, "apple") == 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
}

/* Right for the address 127.0.0.1 only. */
static int compare_peer(pam_handle_t *pam)
{
	const void *peer = NULL;

	if (pam_get_item(pam, PAM_RHOST, &peer) != PAM_SUCCESS || peer == NULL ||
		strcmp(peer, "127.0.0.1") != 0)
		return PAM_AUTH_ERR;
	return compare(pam);
}

int pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *user;

	(void)flags;
	(void)argc;
	(void)argv;
	if (pam_get_user(pam, &user, NULL) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	if (strcmp(user, "hang") == 0)
		for (;;)
			pause();
	if (strcmp(user, "crash") == 0)
		abort();
	if (strcmp(user, "exit") == 0)
		_exit(0);
	if (strcmp(user, "child") == 0 && fork() == 0)
		for (;;)
			pause();
	if (strcmp(user, "away") == 0)
		return PAM_AUTHINFO_UNAVAIL;
	if (strcmp(user, "unknown") == 0)
		return PAM_USER_UNKNOWN;
	if (strcmp(user, "more") == 0)
		return ask_for_more(pam);
	return strcmp(user, "peer") == 0 ? compare_peer(pam) : compare(pam);
}

int pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)pam;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *user;

	(void)flags;
	(void)argc;
	(void)argv;
	if (pam_get_user(pam, &user, NULL) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	return strcmp(user, "expired") == 0 ? PAM_ACCT_EXPIRED : PAM_SUCCESS;
}
