/*
 * The limit of open files, see openfiles.h. Run by the listener, as root, and by the processes
 * that it forks, before they execute themselves.
 */

#include "base/openfiles.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* The variable is trusted, since it comes from the process that started this one. */
#define VARIABLE	"IMAPGATE_OPEN_FILES"

void
openfiles_raise(void)
{
	struct rlimit limit;
	char former[24];

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= limit.rlim_max)
		return;
	snprintf(former, sizeof(former), "%ju", (uintmax_t)limit.rlim_cur);
	if (setenv(VARIABLE, former, 0) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void
openfiles_restore(void)
{
	const char *former = getenv(VARIABLE);
	struct rlimit limit;

	if (former == NULL || getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = (rlim_t)strtoull(former, NULL, 10);
	setrlimit(RLIMIT_NOFILE, &limit);
}
