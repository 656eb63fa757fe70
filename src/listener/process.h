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
	int64_t		until;		/* must be ready by then (clock_ms()); 0: no deadline is due */
	bool		ready;
	unsigned	pending;	/* answers that it owes */
	unsigned	logs;		/* lines of the log that it has asked for */
	unsigned	ticks;		/* calls of process_is_silent() since the last question */
	bool		asked;		/* the question has no answer yet */
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
 * Waits until a process is ready, PROCESS_READY_MS at most. Takes a name for the log, and the
 * function that writes lines of the log for it. Returns the number of usable certificates. Dies
 * if the process is not ready; exits with the status of a process that has logged why it ended.
 */
unsigned	process_require_ready(struct process *, const char *name, void (*log)(const struct msg *));

/*
 * process_due() returns when process_kill_if_late() must be called (clock_ms()), 0: not at all.
 * That kills a process which has not become ready in PROCESS_READY_MS.
 */
int64_t	process_due(const struct process *);
void	process_kill_if_late(struct process *);

/*
 * Asks a signer at each PROCESS_TICKS-th call whether it runs (MSG_READY). Returns true if the
 * last question has no answer. Calls are counted, not time: so a listener that was stopped
 * together with its signer kills nothing when both continue.
 */
#define PROCESS_TICKS	10
bool	process_is_silent(struct process *);

#endif
