#ifndef IMAPGATE_MONITOR_PAMKEEPER_H
#define IMAPGATE_MONITOR_PAMKEEPER_H

/*
 * The keeper of --pam-session wait: what stays above a mailbox program to
 * close the PAM session behind it.
 *
 * SECURITY: it is root if the monitor was, since the modules that have opened
 * the session may need that to close it. So there is nothing that it could be
 * talked into: it has not the client, and hears of nothing but signals, the
 * program's end, and behind that one message of a relay, of fixed size.
 */

#include <stdbool.h>

#include "monitor/account.h"
#include "monitor/pamauth.h"
#include "boundary/msg.h"

/* Descriptors by which the client could be reached: its two, and the relay's stream. -1: none. */
#define PAMKEEPER_FDS	3

/* The keeper's knowledge of the mailbox program's words. */
struct pamkeeper_program {
	enum msg_transport	transport;
	int			relay;	/* the pair by which a relay tells what the program wrote; -1: there is none */
	bool			reports; /* the session's end is for the keeper to log */
};

/*
 * Forks. Returns true in the child, which goes on to start the mailbox
 * program and may not close the session (pamauth_detach); false if there is no
 * child (errno), and then all is closed. The parent never returns: it passes
 * signals on, waits, closes session and credentials within so many
 * milliseconds, logs the end of a program that has written nothing (or that has
 * failed, where it is not known what it wrote) and of the session, and exits with the child's status, or 128 and the number of
 * the signal that killed it; what is in client it closes. The pair must have
 * been closed before, and secrets be gone.
 */
bool	pamkeeper_supervise(struct pamauth *, const struct account *, const int client[PAMKEEPER_FDS], unsigned most_ms,
    const struct pamkeeper_program *);

#endif
