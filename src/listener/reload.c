/*
 * Re-execution, see reload.h. Run by the listener, as root. Environment, arguments and sockets
 * are passed on as they were found; the variable IMAPGATE_LISTENER has the rest. The variable is
 * trusted, since it comes from the process that started this one.
 */

#include "listener/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define VARIABLE	"IMAPGATE_LISTENER"
#define DRY_RUN		"trial"
#define IGNORES_CHILD	"!"

/* Time limit of a dry run, in milliseconds. */
#define DRY_RUN_MS	30000

static char **arguments;
static const struct activation_socket *sockets;
static size_t socket_count;
static pid_t dry_run;		/* 0: none */
static int64_t dry_run_until;	/* end of DRY_RUN_MS, clock_ms() */
/*
 * Value of VARIABLE: DRY_RUN, or the table's descriptor, IGNORES_CHILD if SIGCHLD was found
 * ignored, and the text of roles_keep_on_exec().
 */
static const char *inherited;

void
reload_begin(char *argv[], const struct activation_socket *list, size_t n)
{
	arguments = argv;
	sockets = list;
	socket_count = n;
	inherited = getenv(VARIABLE);
}

bool
reload_is_dry_run(void)
{
	return inherited != NULL && strcmp(inherited, DRY_RUN) == 0;
}

bool
reload_is_resumed(void)
{
	return inherited != NULL && !reload_is_dry_run();
}

int
reload_table(void)
{
	return reload_is_resumed() ? atoi(inherited) : -1;
}

const char *
reload_generations(void)
{
	return reload_is_resumed() ? strchr(inherited, ' ') : NULL;
}

bool
reload_ignores_child(void)
{
	return reload_is_resumed() && inherited[strspn(inherited, "0123456789")] == IGNORES_CHILD[0];
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

/*
 * Executes the path by which this program was started, where a new version may be (getauxval(3)).
 */
static void
execute(void)
{
	execve((const char *)getauxval(AT_EXECFN), arguments, environ);
}

bool
reload_start_dry_run(void)
{
	pid_t pid = fork();

	if (pid > 0) {
		dry_run = pid;
		dry_run_until = clock_ms() + DRY_RUN_MS;
	}
	if (pid != 0)
		return pid != -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	activation_keep_on_exec(sockets, socket_count);
	/*
	 * sd_listen_fds(3) compares LISTEN_PID with its own. A dry run must not notify the
	 * service manager.
	 */
	if (sockets[0].standard == 0)
		set_number("LISTEN_PID", (int)getpid());
	if (unsetenv("NOTIFY_SOCKET") == -1 || setenv(VARIABLE, DRY_RUN, 1) == -1)
		die("environment");
	execute();
	die("executing the program");
}

bool
reload_has_dry_run(void)
{
	return dry_run != 0;
}

bool
reload_has_pid(pid_t pid)
{
	return pid == dry_run;
}

bool
reload_ended(pid_t pid)
{
	if (pid != dry_run)
		return false;
	dry_run = 0;
	return true;
}

int64_t
reload_due(void)
{
	return dry_run != 0 ? dry_run_until : 0;
}

/* SIGKILL also ends a stopped process, and can't be ignored like SIGALRM. */
bool
reload_kill_if_late(void)
{
	if (dry_run == 0 || clock_left(dry_run_until) > 0)
		return false;
	kill(dry_run, SIGKILL);
	dry_run = 0;
	return true;
}

void
reload_exec(int table, bool ignores_child, const char *generations)
{
	char text[1024];

	snprintf(text, sizeof(text), "%d%s%s", table, ignores_child ? IGNORES_CHILD : "", generations);
	if (setenv(VARIABLE, text, 1) == -1)
		die("environment");
	activation_keep_on_exec(sockets, socket_count);
	keep_on_exec(table, true);
	execute();
	activation_restore(sockets, socket_count);
	keep_on_exec(table, false);
}
