/*
 * Re-execution, see reload.h. Run by the listener. Environment, arguments and
 * descriptors are passed on as they were found; one variable of our own says
 * the rest. It comes from whoever could have started us, which is root.
 */

#include "listener/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/log.h"

#define VARIABLE	"IMAPGATE_LISTENER"
#define DRY_RUN		"trial"

/* A dry run that hangs has failed. */
#define TRIAL_S		30

static char **arguments;
static const struct activation_socket *sockets;
static size_t passed;		/* how many sockets there are */
static const char *left;	/* by the image before this one: DRY_RUN, the number of the table's descriptor and what roles.h keeps, or NULL */

void
reload_begin(char *argv[], const struct activation_socket *list, size_t n)
{
	arguments = argv;
	sockets = list;
	passed = n;
	left = getenv(VARIABLE);
}

bool
reload_is_dry_run(void)
{
	return left != NULL && strcmp(left, DRY_RUN) == 0;
}

bool
reload_is_resumed(void)
{
	return left != NULL && !reload_is_dry_run();
}

int
reload_table(void)
{
	return reload_is_resumed() ? atoi(left) : -1;
}

const char *
reload_generations(void)
{
	return reload_is_resumed() ? strchr(left, ' ') : NULL;
}

static void
keep_on_exec(int fd, bool keep)
{
	fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void
set_number(const char *name, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	if (setenv(name, text, 1) == -1)
		die("environment");
}

/* As it was started: by this path there may be a new program now (getauxval(3)). */
static void
execute(void)
{
	execve((const char *)getauxval(AT_EXECFN), arguments, environ);
}

pid_t
reload_start_dry_run(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	alarm(TRIAL_S);
	activation_keep_on_exec(sockets, passed);
	/* sd_listen_fds(3) wants to see who is meant; what is tried out has nothing to say to the service manager. */
	if (sockets[0].standard == 0)
		set_number("LISTEN_PID", (int)getpid());
	if (unsetenv("NOTIFY_SOCKET") == -1 || setenv(VARIABLE, DRY_RUN, 1) == -1)
		die("environment");
	execute();
	die("executing itself");
}

void
reload_exec(int table, const char *generations)
{
	char text[1024];

	snprintf(text, sizeof(text), "%d%s", table, generations);
	if (setenv(VARIABLE, text, 1) == -1)
		die("environment");
	activation_keep_on_exec(sockets, passed);
	keep_on_exec(table, true);
	execute();
	activation_restore(sockets, passed);
	keep_on_exec(table, false);
}
