#ifndef IMAPGATE_MONITOR_PAMKEEPER_H
#define IMAPGATE_MONITOR_PAMKEEPER_H

/*
 * The PAM keeper (--pam-session wait): the parent of a mailbox program that closes the PAM
 * session after it.
 *
 * SECURITY: the PAM keeper is root if the monitor was, because modules may need that to close the
 * session. So its input is minimal: no client; only signals, the program's end, and then one
 * message of fixed size from a relay.
 */

#include <stdbool.h>

#include "boundary/msg.h"
#include "monitor/account.h"
#include "monitor/pamauth.h"

/* Number of descriptors that lead to the client: its two, and the relay's stream. */
#define PAMKEEPER_FDS	3

/* How the keeper learns whether the mailbox program has written anything. */
struct pamkeeper_program {
	enum msg_transport	transport;
	int			relay;	/* pair with the relay; -1: none */
	bool			reports; /* the keeper logs the session's end */
};

/*
 * Forks. Returns true in the child, which starts the mailbox program and must not close the
 * session (pamauth_detach). Returns false with errno if fork(2) fails; everything is closed
 * then.
 *
 * The parent does not return: closes the descriptors in client (-1: none), passes signals on,
 * waits for the child, and closes session and credentials within max_ms milliseconds. Logs the
 * end of a program that wrote nothing, or that failed and whose output is unknown; with reports
 * that of the session too. Exits as keeper_exit_status(). Secrets must have been wiped, and the
 * gate's pair closed unless it is the relay's.
 */
bool	pamkeeper_supervise(struct pamauth *, const struct account *, const int client[PAMKEEPER_FDS], unsigned max_ms,
    const struct pamkeeper_program *);

#endif
