#ifndef IMAPGATE_MONITOR_KEEPER_H
#define IMAPGATE_MONITOR_KEEPER_H

/*
 * The keeper: a process that stays beside a mailbox program under kernel TLS. The keeper touches
 * no octet of the session. Without a keeper no process would send close_notify (RFC 8446, 6.1);
 * and if the program exits while a slow client's buffer is full, the kernel drops records that
 * it has accepted.
 */

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "monitor/account.h"

/*
 * Fills the set of signals that every keeper waits for: SIGCHLD, and those that it passes on to
 * its child.
 */
void	keeper_signals(sigset_t *);

/* Forks a child, with keeper_signals() blocked in parent and child. Returns as fork(2). */
pid_t	keeper_fork(void);

/*
 * Passes signals on to the child until it has exited. Returns its status as waitpid(2).
 * keeper_fork() must have been called.
 */
int	keeper_wait(pid_t);

/*
 * Returns the keeper's exit status for a status of waitpid(2): the child's, or 128 plus the
 * number of the signal that killed it.
 */
int	keeper_exit_status(int status);

/*
 * Forks. Returns true in the child, which becomes the mailbox program, and false if fork(2)
 * fails. The parent executes this program as KEEPER_NAME and does not return. If the mailbox
 * program ends without output, the keeper sends the client a failure reply for this tag ("" for
 * PREAUTH) and logs it; with reports it logs the end of the session too. Secrets must have been
 * wiped.
 */
bool	keeper_supervise(const struct account *, const char *tag, bool reports);

/* argv[0] by which keeper_supervise() executes this program. */
#define KEEPER_NAME	"imapgate-keeper"

/*
 * Runs the keeper, with the arguments of keeper_supervise(). Changes to the user's ids and keeps
 * only the client's socket and the log, passes signals on, waits for the mailbox program, and
 * closes the connection. Exits with the status of keeper_exit_status(); with EX_USAGE if the
 * arguments are not its own.
 */
void	keeper_run(char *argv[]) __attribute__((noreturn));

#endif
