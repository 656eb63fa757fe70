#ifndef IMAPGATE_LISTENER_PROCESS_H
#define IMAPGATE_LISTENER_PROCESS_H

/*
 * A process that serves all connections: its start, its end and the pair that connects it with
 * the listener. Used by roles.c, certprocesses.c and generations.c only.
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
	int64_t		until;		/* deadline to be ready, clock_ms(); 0: none */
	bool		ready;
	unsigned	pending;	/* unanswered requests */
	unsigned	logs;		/* log lines that it has requested */
	unsigned	ticks;		/* calls of process_is_silent() since the last MSG_READY */
	bool		asked;		/* MSG_READY was sent and has no answer yet */
};

/*
 * Starts a process in a role. Takes its end of the pair that connects gate zygote and signer (-1:
 * none), which stays open here, and the index of its events. Returns false with errno on failure.
 */
bool	process_start(struct process *, enum role, int signing, uint32_t index, const struct signals *);

/* Changes the index of its events, if it has a pair. */
void	process_set_index(const struct process *, uint32_t index);

/*
 * Closes the pair: the process reads the end of file and exits in its own time. Returns whether
 * it had unanswered requests.
 */
bool	process_close(struct process *);

/* Kills a process with SIGKILL, unless it has been waited for. */
void	process_kill(const struct process *);

/*
 * Waits until a process is ready, PROCESS_READY_MS at most. Takes a name for the log, and the
 * function that writes its log lines. Returns the number of usable certificates. Dies
 * if the process is not ready; exits with the status of a process that has logged why it ended.
 */
unsigned	process_require_ready(struct process *, const char *name, void (*log)(const struct msg *));

/*
 * process_due() returns when process_kill_if_late() must be called (clock_ms()), 0: not at all.
 * process_kill_if_late() kills a process that was not ready within PROCESS_READY_MS.
 */
int64_t	process_due(const struct process *);
void	process_kill_if_late(struct process *);

/*
 * Asks a signer at each PROCESS_TICKS-th call whether it runs (MSG_READY). Returns true if the
 * last MSG_READY has no answer. Counts calls, not time: so a listener that was stopped together
 * with its signer does not kill it when both continue.
 */
#define PROCESS_TICKS	10
bool	process_is_silent(struct process *);

#endif
