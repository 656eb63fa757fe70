#ifndef IMAPGATE_MONITOR_ADMISSION_H
#define IMAPGATE_MONITOR_ADMISSION_H

/*
 * May this client log in? PAM is asked, but PAM does not decide alone: the
 * name must be one, the account must have a uid that we serve, and its
 * mailbox program must be able to start.
 */

#include <stdbool.h>

#include "board.h"
#include "monitor/account.h"
#include "monitor/pamauth.h"
#include "msg.h"
#include "options.h"
#include "peer.h"

struct admission {
	const struct options	*opts;
	const struct peer	*peer;
	const struct board_seat	*seat;
	struct pamauth		 pam;		/* open after OUTCOME_OK, and only then */
	struct account		 account;	/* valid after OUTCOME_OK */
};

/* Judges a login. The reason is a word for the log. A mechanism that is not switched on is a bug() of the gate's. */
struct pamauth_verdict	admission_judge(struct admission *, const struct msg_login *);

/* Is this outcome a wrong guess, to be counted and slowed down? */
bool	admission_is_guess(enum msg_outcome);

/* The mechanism's name for the log; bug() if there is none such. */
const char	*admission_mechanism(uint32_t mechanism);

#endif
