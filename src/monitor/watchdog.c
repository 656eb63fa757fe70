/*
 * Ending a monitor that waits, see watchdog.h. Run by the monitor, as root. Signal handlers get
 * no arguments, so their data are static here.
 */

#include "monitor/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/again.h"
#include "base/log.h"
#include "monitor/accounting.h"
#include "monitor/deadline.h"
#include "monitor/report.h"

/* Time after the deadline for the gate to send BYE, and then for this process to exit. */
#define WATCHDOG_GRACE_MS	3000

/* Log lines for the handler, prepared in advance. */
static struct log_line timeout_login_lines[2], timeout_end_line;
/* Number of lines to write: the end's, and before that a login's. */
static volatile sig_atomic_t timeout_lines;
/*
 * Index of the complete line in timeout_login_lines. The other one is being prepared for the
 * next step.
 */
static volatile sig_atomic_t complete;
static const struct msg_login *pending_login;	/* NULL: no login is being decided */
static unsigned pending_attempt;

static volatile pid_t gate;		/* 0: no gate, or a child of the listener */
static volatile sig_atomic_t gate_fd = -1;
static volatile sig_atomic_t sigterm_received;	/* SIGTERM has arrived */
static struct sigaction sigterm_action;	/* SIGTERM's disposition at the start */
static timer_t timer;

/*
 * Kills the gate: a compromised one would keep the client's connection. Under a listener the
 * listener kills its gate when this process has exited.
 */
static void
kill_gate(void)
{
	if (gate > 0)
		kill(gate, SIGKILL);
}

/* Exits at SIGRTMIN: a PAM module or a compromised gate hangs past the deadline. */
static void
watchdog_expired(int sig)
{
	(void)sig;
	if (timeout_lines > 1)
		log_write(&timeout_login_lines[complete]);
	if (timeout_lines > 0)
		log_write(&timeout_end_line);
	kill_gate();
	_exit(EX_TEMPFAIL);
}

/*
 * Handles SIGTERM: the service stops. The gate sees the shutdown, sends BYE and exits; its
 * messages are still read. The result of a login in progress will not be used.
 */
static void
on_sigterm(int sig)
{
	int saved_errno = errno;

	(void)sig;
	sigterm_received = 1;
	shutdown(gate_fd, SHUT_WR);
	errno = saved_errno;
}

void
watchdog_start(int64_t deadline)
{
	const struct sigaction action = { .sa_handler = on_sigterm, .sa_flags = SA_RESTART };
	sigset_t stop;

	bug_hook = kill_gate;
	watchdog_timeout_gate();
	sigaction(SIGTERM, &action, &sigterm_action);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	timer = deadline_start(deadline + WATCHDOG_GRACE_MS, watchdog_expired);
}

void
watchdog_set_gate(pid_t pid, int fd)
{
	gate = pid;
	gate_fd = fd;
	if (sigterm_received)
		shutdown(gate_fd, SHUT_WR);
}

int
watchdog_wait_for_gate(void)
{
	unsigned tries = 0;
	int status;

	if (gate == 0 && accounting_has_listener()) {
		status = accounting_wait_for_gate();
		return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
	}
	/* The gate was cloned without an exit signal (connection.c), hence __WALL. */
	while (waitpid(gate, &status, __WALL) == -1)
		if (errno != EINTR || !again(&tries))
			return EX_OSERR;
	gate = 0;
	gate_fd = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

void
watchdog_timeout_login(const struct msg_login *login, unsigned attempt)
{
	timeout_lines = 0;
	pending_login = login;
	pending_attempt = attempt;
	report_login_timeout(&timeout_login_lines[complete], login, attempt, NULL);
	report_end_timeout(&timeout_end_line, "deadline");
	timeout_lines = 2;
}

void
watchdog_timeout_gate(void)
{
	timeout_lines = 0;
	pending_login = NULL;
	report_end_timeout(&timeout_end_line, "gate-hangs");
	timeout_lines = 1;
}

void
watchdog_timeout_clear(void)
{
	timeout_lines = 0;
}

void
watchdog_timeout_step(const char *step)
{
	if (pending_login == NULL)
		return;
	report_login_timeout(&timeout_login_lines[!complete], pending_login, pending_attempt, step);
	complete = !complete;
}

void
watchdog_restore_sigterm(void)
{
	sigaction(SIGTERM, &sigterm_action, NULL);
}

void
watchdog_stop(void)
{
	timer_delete(timer);
}
