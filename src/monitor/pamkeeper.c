/*
 * The PAM keeper, see pamkeeper.h. Run as root, from the login to the end of the session.
 *
 * The keeper can't drop privileges as that of kernel TLS does: only the modules know which
 * capabilities, system calls and libraries they need at the end. pam_mount unmounts, pam_exec
 * executes any program.
 *
 * SECURITY: the keeper can't execute itself anew either, because the modules' data are in PAM's
 * handle. So password hashes that PAM has read may be in its memory. The user can't reach them:
 * the keeper never has the user's uid and is not dumpable.
 */

#include "monitor/pamkeeper.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/childexit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "monitor/deadline.h"
#include "monitor/keeper.h"
#include "monitor/launch.h"
#include "monitor/report.h"

/* Time for the relay to report whether the program has written anything, in milliseconds. */
#define RELAY_REPORT_MS	1000

/* Log line and exit status for the handler, if a module hangs. */
static struct log_line timeout_line;
static volatile sig_atomic_t exit_status = EX_TEMPFAIL;

static void
pamkeeper_expired(int sig)
{
	(void)sig;
	log_write(&timeout_line);
	_exit(exit_status);
}

static void
do_nothing(int sig)
{
	(void)sig;
}

/*
 * Closes the client's descriptors: with an open copy here the client would not see the mailbox
 * program close its connection.
 */
static void
close_client(const int client[PAMKEEPER_FDS])
{
	size_t i;

	for (i = 0; i < PAMKEEPER_FDS; i++)
		if (client[i] != -1)
			close(client[i]);
}

/*
 * Makes signals do nothing while PAM closes the session. Signals are caught, not ignored:
 * SIG_IGN would be inherited by programs that modules execute.
 */
static void
catch_signals(void)
{
	const struct sigaction action = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };
	sigset_t signals, none;
	int sig;

	keeper_signals(&signals);
	for (sig = 1; sig < SIGRTMIN; sig++)
		if (sig != SIGCHLD && sigismember(&signals, sig))
			sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Waits for the relay's report, which comes after the program's end and its last output. */
static enum program_output
receive_output(int relay)
{
	int64_t until = clock_ms() + RELAY_REPORT_MS;
	struct pollfd pfd = { relay, POLLIN, 0 };
	int fds[MSG_FDS_MAX], n;
	const char *error;
	struct msg m;

	do
		n = poll(&pfd, 1, clock_left(until));
	while (n == -1 && errno == EINTR && clock_left(until) > 0);
	/* A missing or malformed report does not mean that there was no output. */
	if (n != 1 || msg_recv_now(relay, &m, fds, &error) != 1 || m.type != MSG_PROGRAM_OUTPUT)
		return OUTPUT_SOME;
	return m.u.program_output.output == OUTPUT_NONE ? OUTPUT_NONE : OUTPUT_SOME;
}

/*
 * Logs the end of a program that wrote nothing, or that failed and whose output is unknown.
 * Under kernel TLS the keeper, a child of this process, logs it.
 */
static void
log_program_end(const struct pamkeeper_program *program, const struct account *a, int status)
{
	enum program_output output = OUTPUT_UNKNOWN;

	if (program->transport == TRANSPORT_KTLS)
		return;
	if (program->transport == TRANSPORT_RELAY && program->relay != -1)
		output = receive_output(program->relay);
	if (output == OUTPUT_NONE || (output == OUTPUT_UNKNOWN && status != 0))
		report_program_end(a, status, output);
}

static void
close_session(struct pamauth *p, const struct account *a, unsigned max_ms)
{
	const char *error;
	struct log_line l;

	report_session_failure(&timeout_line, a, "deadline");
	deadline_start(clock_ms() + max_ms, pamkeeper_expired);
	error = pamauth_close(p);
	if (error == NULL)
		return;
	report_session_failure(&l, a, error);
	log_write(&l);
}

bool
pamkeeper_supervise(struct pamauth *p, const struct account *a, const int client[PAMKEEPER_FDS], unsigned max_ms,
    const struct pamkeeper_program *program)
{
	pid_t pid = keeper_fork();
	int error = errno, status;
	int64_t began = clock_ms();

	if (pid == 0)
		return true;
	if (pid > 0) {
		title_set(a->name, log_context_value("rip"), "pam-keeper");
		/* A module may have changed the effective uid, which allows dumps again. */
		launch_forbid_dumps();
		close_client(client);
		malloc_trim(0);
		status = keeper_wait(pid);
		exit_status = keeper_exit_status(status);
		log_program_end(program, a, status);
		if (program->reports)
			childexit_report_session(0, a->name, clock_ms() - began, status);
		catch_signals();
	}
	close_session(p, a, max_ms);
	if (pid > 0)
		_exit(exit_status);
	errno = error;
	return false;
}
