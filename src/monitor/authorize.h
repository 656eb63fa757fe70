#ifndef IMAPGATE_MONITOR_AUTHORIZE_H
#define IMAPGATE_MONITOR_AUTHORIZE_H

/*
 * May this client log in? PAM is asked, but PAM does not decide alone: the
 * name must be one, the account must have a uid that we serve, and its
 * mailbox program must be able to start.
 */

#include <stdbool.h>

#include "monitor/account.h"
#include "monitor/pamauth.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"

struct authorization {
	const struct options	*opts;
	const struct peer	*peer;
	struct pamauth		 pam;		/* open after OUTCOME_OK, and only then */
	struct account		 account;	/* valid after OUTCOME_OK */
	bool			 by_peer;	/* the name is that of the peer's uid, and the monitor has found it */
	bool			 changed;	/* PAM or we have changed this process for one user */
};

/* Judges a login. The reason is a word for the log. A mechanism that is not switched on is a bug() of the gate's. */
struct pamauth_verdict	authorize_login(struct authorization *, const struct msg_login *);

/*
 * Is this outcome of the last authorize_login to be counted and slowed down?
 * So is all that PAM was given a password for and did not say yes to, whatever
 * it said: where one of several modules is down, the others were asked.
 */
bool	authorize_is_guess(const struct authorization *, enum msg_outcome);

/* Is it by a password that this mechanism logs in? bug() if there is no such mechanism. */
bool	authorize_is_password(uint32_t mechanism);

/* The mechanism's name for the log; bug() if there is none such. */
const char	*authorize_mechanism(uint32_t mechanism);

#endif
