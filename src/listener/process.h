#ifndef IMAPGATE_LISTENER_PROCESS_H
#define IMAPGATE_LISTENER_PROCESS_H

/*
 * A process that serves all connections: its start, its end and the pair that connects it with
 * the listener. Only roles.c uses it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/signals.h"
#include "boundary/msg.h"
#include "role.h"

/* Time in which a process has to be ready, in milliseconds. */
#define PROCESS_READY_MS	30000

struct process {
	pid_t		pid;		/* 0: none */
	int		control;	/* the listener's end of the pair; -1: none */
	bool		ready;
	unsigned	pending;	/* answers that it owes */
};

/*
 * Starts a process in a role. Takes its end of the pair that connects gate zygote and signer (-1:
 * none), which stays open here, and the index of its events. Returns false with errno on failure.
 */
bool	process_start(struct process *, enum role, int signing, uint32_t index, const struct signals *);

/* Changes the index of its events. Dies on failure. */
void	process_set_index(const struct process *, uint32_t index);

/*
 * Closes the pair: the process reads the end of file and exits in its own time. Returns true if
 * it owed an answer.
 */
bool	process_close(struct process *);

/* Kills it with SIGKILL, if there is one. */
void	process_kill(const struct process *);

/*
 * Waits for one message until a point on clock_ms(). Takes a name for the log. Returns false at
 * the end of file. Dies on a timeout, or if the message is malformed.
 */
bool	process_receive(const struct process *, const char *name, int64_t until, struct msg *);

/*
 * Exits with the status of a process that ended before it was ready and has logged why. Dies
 * with a log line if that was killed, or exited with 0 or EX_USAGE: no reason is logged then.
 */
void	process_exit_like(const struct process *, const char *name) __attribute__((noreturn));

#endif
