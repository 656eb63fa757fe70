#ifndef IMAPGATE_MONITOR_MONITOR_H
#define IMAPGATE_MONITOR_MONITOR_H

/*
 * The privileged side of one connection: it hears the gate's questions and
 * decides. It never reads a byte of the client's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"
#include "base/signals.h"

/* The start of a monitor. */
struct monitor_start {
	const struct options		*opts;
	struct peer			*peer;		/* its own copy: a proxy's client takes its place */
	const struct signals	*signals;
	pid_t				 gate;		/* 0: there is none, or it is the listener's child */
	int				 gate_fd;	/* our end of the login pair; -1: there is no gate */
	unsigned			 logs;		/* lines that the gate has had before */
	int64_t				 deadline;	/* of the login, clock_ms() */
};

/*
 * Answers the gate until the connection has ended or the mailbox program
 * runs, in this process's place or, under kernel TLS, as its child. Exits
 * with 0 for every end before that which the client caused, else with a
 * status of sysexits(3).
 */
void	monitor_run(const struct monitor_start *) __attribute__((noreturn));

/*
 * Logs the peer of a Unix-domain socket in by its credentials, without a
 * gate, since nothing has to be read from it. Returns if these are nobody's
 * whom we serve, which is found out without PAM: then it may log in like
 * everybody else. Whom PAM refuses gets a BYE.
 */
void	monitor_preauth(const struct monitor_start *);

#endif
