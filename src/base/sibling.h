#ifndef IMAPGATE_SIBLING_H
#define IMAPGATE_SIBLING_H

#include <sys/types.h>

/*
 * Forks a child of this process's parent (clone(2), CLONE_PARENT). The listener so reaps what its
 * zygotes fork, and can kill those processes without the risk of a reused pid. Returns as
 * fork(2).
 */
pid_t	sibling_fork(void);

#endif
