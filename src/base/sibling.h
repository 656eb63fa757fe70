#ifndef IMAPGATE_SIBLING_H
#define IMAPGATE_SIBLING_H

#include <sys/types.h>

/*
 * Forks a child of this process's parent (clone(2), CLONE_PARENT). So the listener reaps the
 * children of its zygotes, and can kill them without the risk of a reused pid. Returns as
 * fork(2).
 */
pid_t	sibling_fork(void);

#endif
