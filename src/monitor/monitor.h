#ifndef IMAPGATE_MONITOR_MONITOR_H
#define IMAPGATE_MONITOR_MONITOR_H

/*
 * The privileged side of one connection: it hears the gate's questions and
 * decides. It never reads a byte of the client's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "monitor/launch.h"
#include "msg.h"
#include "options.h"
#include "peer.h"

/* What a monitor is born with. */
struct monitor_start {
	const struct options		*opts;
	const struct peer		*peer;
	const struct launch_inherited	*inherited;
	pid_t				 gate;		/* 0: there is none */
	int				 gate_fd;	/* our end of the pair of msg.h */
	int				 mailbox_fd;	/* the mailbox program's end of the stream that a relay would use */
	int				 keyholder;	/* who is asked for the private keys; -1: they are read here */
	int64_t				 deadline;	/* of the login, clock_ms() */
	const _Atomic int		*said;		/* what a relay tells a PAM keeper (enum msg_said); NULL: there is none */
	struct board_seat		*seat;		/* on the listener's board; all zeros without a listener */
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
