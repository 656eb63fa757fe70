#ifndef IMAPGATE_SIBLING_H
#define IMAPGATE_SIBLING_H

#include <sys/types.h>

/*
 * Forks a child of this process's parent (clone(2), CLONE_PARENT): who has
 * started a zygote is told of the ends of all that it forks, and can kill them
 * without a process id being another's by then. Returns as fork(2).
 */
pid_t	sibling_fork(void);

#endif
