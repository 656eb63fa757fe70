#ifndef IMAPGATE_MONITOR_AUTHORIZE_H
#define IMAPGATE_MONITOR_AUTHORIZE_H

/*
 * Decides whether a client may log in. PAM must agree; in addition the user name must be valid,
 * the uid must be served, and the mailbox program must be able to start.
 */

#include <stdbool.h>

#include "base/peer.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "monitor/account.h"
#include "monitor/pamauth.h"

struct authorization {
	const struct options	*opts;
	const struct peer	*peer;
	struct pamauth		 pam;		/* open after OUTCOME_OK only */
	struct account		 account;	/* valid after OUTCOME_OK */
	bool			 by_peer;	/* the name is that of the peer's uid */
	/* Groups or PAM have changed this process for one user. */
	bool			 changed;
};

/*
 * Decides about a login. Returns the outcome, with a reason for the log. Calls bug() if the gate
 * uses a mechanism that is switched off.
 */
struct pamauth_result	authorize_login(struct authorization *, const struct msg_login *);

/*
 * Returns whether this outcome of the last authorize_login() counts as a guess and is delayed.
 * Every secret that PAM was asked about and did not accept counts, whatever PAM returned: if one
 * module of several is down, the others were still asked.
 */
bool	authorize_is_guess(const struct authorization *, enum msg_outcome);

/* Returns whether the mechanism uses a password. Calls bug() for an unknown mechanism. */
bool	authorize_is_password(uint32_t mechanism);

/* Returns the mechanism's name for the log. Calls bug() for an unknown mechanism. */
const char	*authorize_mechanism(uint32_t mechanism);

#endif
