/*
 * Children of our parent, see sibling.h. Run by the zygotes, which have one
 * thread and nothing that fork handlers would have to be called for.
 */

#include "base/sibling.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t
sibling_fork(void)
{
	/* The order of the last two arguments is the machine's; both are 0. On s390x that of the first two is too. */
	return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}
