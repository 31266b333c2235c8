/* judge.h: what a session would say to a client, without one (queue/judgement.h). */
#ifndef SLUICE_SMTP_JUDGE_H
#define SLUICE_SMTP_JUDGE_H

#include "queue/judgement.h"

judgement_fn judge_client;

#endif
