#ifndef IMAPGATE_MONITOR_KEEPER_H
#define IMAPGATE_MONITOR_KEEPER_H

/*
 * The keeper: what stays beside a mailbox program whose TLS the kernel does.
 * It touches no byte of the session. Without it the kernel throws away
 * records that it had accepted when the program exits while a slow client's
 * buffer is full, and nobody says close_notify (RFC 8446, 6.1).
 */

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "monitor/account.h"

/* What every keeper hears of, itself and from others: the child's end, and what is for the child. */
void	keeper_signals(sigset_t *);

/*
 * Forks for a keeper, with these signals blocked on both sides. Returns the
 * child's pid in the keeper, 0 in the child, -1 if there is none.
 */
pid_t	keeper_fork(void);

/* Passes signals on to the child until it has ended. Returns its status as waitpid(2) gives it. */
int	keeper_wait(pid_t);

/* Returns the keeper's own exit status for it: the child's, or 128 and the number of the signal that killed it. */
int	keeper_exit_status(int status);

/*
 * Forks. Returns true in the child, which goes on to become the mailbox
 * program; false if there is no child. The parent never returns: it executes
 * this program anew as KEEPER_NAME. For a mailbox program that ends without
 * one octet the keeper tells the client that its mailbox can't be opened, by
 * this tag ("" for PREAUTH), and logs a line; with reports it logs the
 * session's end too. Secrets must be gone before.
 */
bool	keeper_supervise(const struct account *, const char *tag, bool reports);

/* The name, argv[0], by which keeper_supervise executes this program. */
#define KEEPER_NAME	"imapgate-keeper"

/*
 * The keeper itself, with the arguments that keeper_supervise gives. With the
 * user's ids it keeps nothing but the client's socket and the log, passes
 * signals on, waits for the mailbox program, ends the connection and exits with the
 * program's status, or 128 and the number of the signal that killed it.
 * Exits with EX_USAGE if the arguments are others.
 */
void	keeper_run(char *argv[]) __attribute__((noreturn));

#endif
