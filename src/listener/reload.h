#ifndef IMAPGATE_RELOAD_H
#define IMAPGATE_RELOAD_H

/*
 * Re-execution of the listener for SIGHUP: first a dry run in a child, which starts everything
 * but accepts nothing; then execve(2) in the listener itself, which keeps pid, sockets and
 * children.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "activation.h"

/*
 * Reads the variable of the image before this one from the environment, and stores the arguments
 * for the next one. Call it before the other functions.
 */
void	reload_begin(char *argv[], const struct activation_socket *, size_t sockets);

/* Returns whether this process is a dry run, which exits with 0 instead of accepting. */
bool	reload_is_dry_run(void);

/*
 * Returns whether this process was the listener before execve(2). Its signals are still blocked
 * then.
 */
bool	reload_is_resumed(void);

/*
 * Return data of the image before this one: the table's descriptor for connections_open() (-1:
 * none), and the monitor zygotes for roles_begin() (NULL: none).
 */
int		 reload_table(void);
const char	*reload_generations(void);

/* Returns whether the listener found SIGCHLD ignored when it was first started. */
bool	reload_ignores_child(void);

/*
 * Starts a dry run, a child that exits with 0 if the new program and settings work. Returns false
 * with errno on failure.
 */
bool	reload_start_dry_run(void);

/* Returns whether there is a dry run, or whether this is its pid. */
bool	reload_has_dry_run(void);
bool	reload_has_pid(pid_t);

/* Forgets the dry run, which has exited. Returns false if this is not its pid. */
bool	reload_ended(pid_t);

/*
 * reload_due() returns when reload_kill_if_late() must be called (clock_ms()), 0: not at all.
 * reload_kill_if_late() kills and forgets a dry run that takes too long. Returns whether it did.
 */
int64_t	reload_due(void);
bool	reload_kill_if_late(void);

/*
 * Executes the program anew. Takes the table's descriptor, whether SIGCHLD was found ignored, and
 * the text of roles_keep_on_exec(). SIGCHLD must not be ignored now. Signals stay blocked, and none
 * is lost. Returns only if execve(2) fails.
 */
void	reload_exec(int table, bool ignores_child, const char *generations);

#endif
