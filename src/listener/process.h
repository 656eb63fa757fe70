#ifndef IMAPGATE_LISTENER_PROCESS_H
#define IMAPGATE_LISTENER_PROCESS_H

/* One process that serves all connections, for roles.c: its start, its end, and the pair between it and the listener. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "boundary/msg.h"
#include "base/signals.h"
#include "role.h"

/* A process that is not ready by then is not going to be. */
#define PROCESS_READY_MS	30000

struct process {
	pid_t		pid;		/* 0: there is none */
	int		control;	/* -1: there is none */
	bool		ready;
	unsigned	pending;	/* answers that it owes */
};

/*
 * Starts a process in a role, with the end of the pair between gate zygote and
 * signer that is its (-1: none), which stays open here. What it says is an
 * event with this index. False with errno if that can't be done.
 */
bool	process_start(struct process *, enum role, int signing, uint32_t index, const struct signals *);

/* What it says is an event with this index from now on. */
void	process_set_index(const struct process *, uint32_t index);

/* Closes the pair: the process hears that, and ends when it likes. Returns true if it owed an answer. */
bool	process_close(struct process *);

/* Ends it at once, if it is there. */
void	process_kill(const struct process *);

/* Waits for a message until then (clock_ms()); name is for the log. False at the end of the process. Dies if nothing comes. */
bool	process_receive(const struct process *, const char *name, int64_t until, struct msg *);

/* Ends this process as the one that was not ready has ended. Its own errors it has logged, but not what ended it before it had a log. */
void	process_exit_like(const struct process *, const char *name) __attribute__((noreturn));

#endif
