/*
 * Forks siblings, see sibling.h. Run by the zygotes, which have one thread and no fork handlers
 * to call.
 */

#include "base/sibling.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t
sibling_fork(void)
{
	/*
	 * The last two arguments of clone(2) swap places between architectures; both are 0.
	 * s390x, where the first two do as well, is not supported.
	 */
	return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}
