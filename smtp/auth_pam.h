/*
 * auth_pam.h: PAM as the accounts' keeper: what the backend (auth_pam.c) says to what runs in the helper process
 * (auth_pam_talk.c), and what is said back.
 *
 * The task: service, account, password and the peer's address, each with its NUL. The answer: struct auth_pam_answer.
 */
#ifndef SLUICE_SMTP_AUTH_PAM_H
#define SLUICE_SMTP_AUTH_PAM_H

#include "core/helper.h"
#include "smtp/auth_backend.h"

struct auth_pam_answer {
	int code; /* PAM's own: PAM_SUCCESS only when the account may log in, too */
	char text[128]; /* its words for it, for the log */
};

/* In a process of its own, which may block, leak, crash and end. */
helper_run_fn auth_pam_talk;

/* What is not known to be the client's fault is not counted as a wrong password. */
enum auth_verdict auth_pam_verdict(int code);

#endif
