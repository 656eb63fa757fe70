#ifndef IMAPGATE_MONITOR_MONITOR_H
#define IMAPGATE_MONITOR_MONITOR_H

/*
 * The privileged process of one connection: answers the gate's messages and decides about
 * logins. The monitor never reads from the client.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/peer.h"
#include "base/signals.h"
#include "boundary/msg.h"
#include "config/options.h"

/* Parameters of a monitor. */
struct monitor_start {
	const struct options		*opts;
	struct peer			*peer;		/* own copy; a PROXY header changes it */
	const struct signals		*signals;
	pid_t				 gate;		/* 0: no gate, or a child of the listener */
	/* The monitor's end of the socket pair for boundary/login.h; -1: no gate. */
	int				 gate_fd;
	unsigned			 logs;		/* the gate's lines until now */
	int64_t				 deadline;	/* of the login; clock_ms() */
};

/*
 * Answers the gate until the connection ends or the mailbox program runs, which replaces this
 * process or a child of it. Exits with 0 if the client ended the connection before that, else
 * with a status of sysexits(3).
 */
void	monitor_run(const struct monitor_start *) __attribute__((noreturn));

/*
 * Logs in the peer of a Unix-domain socket by its uid, without a gate, since nothing is read from
 * the client. Returns if the uid is not that of a served user, which is decided without PAM; the
 * peer may then log in by a gate. A peer that PAM refuses gets BYE, and the process exits.
 */
void	monitor_preauth(const struct monitor_start *);

#endif
