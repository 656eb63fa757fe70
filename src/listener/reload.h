#ifndef IMAPGATE_RELOAD_H
#define IMAPGATE_RELOAD_H

/*
 * The listener executes itself anew: first in a child that goes all the way
 * to where it would accept, then in its own place, as the same process with
 * the same sockets and the same children.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "activation.h"

/* Reads what the image before this one has left in the environment, and remembers how to go on to the next. */
void	reload_begin(char *argv[], const struct activation_socket *, size_t sockets);

/* Is this a dry run? It shall exit with 0 where all would be ready. */
bool	reload_is_dry_run(void);

/* Has this process been the listener before? Then its signals are still blocked. */
bool	reload_is_resumed(void);

/* What was left to us: the table's descriptor for connections_open, -1 for none, and monitor zygotes for roles_begin. */
int		 reload_table(void);
const char	*reload_generations(void);

/* Starts a dry run. Returns its process id, or -1 with errno. Its exit status is 0 if it is safe to go on. */
pid_t	reload_start_dry_run(void);

/*
 * Takes the step, with the table's descriptor and what roles_keep_on_exec has written;
 * blocked signals stay so, and none is lost. Returns only if that can't be done.
 */
void	reload_exec(int table, const char *generations);

#endif
