/*
 * The end of a monitor that waits, see watchdog.h. Run by it, as root. Signal
 * handlers can't be told anything, so this file has what they need.
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

/* The gate tells the client of the deadline and waits for its last words to be read; behind that this process ends by itself. */
#define GRACE_MS	3000

/* The lines for the case that the deadline finds this process unable to go on, made ready before. */
static struct log_line timeout_login_lines[2], timeout_end_line;
static volatile sig_atomic_t timeout_lines;	/* how many: the end's, and that of a login before it */
/* Which of late_login is complete: the other one is made, for the login's next step. */
static volatile sig_atomic_t complete;
static const struct msg_login *pending_login;	/* NULL: there is none */
static unsigned pending_attempt;

static volatile pid_t gate;		/* 0: there is none, or it is the listener's child */
static volatile sig_atomic_t gate_fd = -1;
static volatile sig_atomic_t stopped;	/* SIGTERM has come */
static struct sigaction sigterm_action;	/* what SIGTERM did when we were started */
static timer_t timer;

/* A gate that was taken over would keep the client for itself, if nobody ended it. Under a listener that does it, when this process has ended. */
static void
end_gate(void)
{
	if (gate > 0)
		kill(gate, SIGKILL);
}

/* The deadline, and somebody hangs: a PAM module, or a gate that was taken over. */
static void
watchdog_expired(int sig)
{
	(void)sig;
	if (timeout_lines > 1)
		log_write(&timeout_login_lines[complete]);
	if (timeout_lines > 0)
		log_write(&timeout_end_line);
	end_gate();
	_exit(EX_TEMPFAIL);
}

/*
 * SIGTERM: the service stops, and who is not logged in shall go. The gate
 * sees that this side of the pair is shut, says so, and ends; what it has to
 * say is still heard. A login that is being decided is in vain.
 */
static void
on_sigterm(int sig)
{
	int saved_errno = errno;

	(void)sig;
	stopped = 1;
	shutdown(gate_fd, SHUT_WR);
	errno = saved_errno;
}

void
watchdog_start(int64_t deadline)
{
	const struct sigaction action = { .sa_handler = on_sigterm, .sa_flags = SA_RESTART };
	sigset_t stop;

	bug_hook = end_gate;
	watchdog_timeout_end();
	sigaction(SIGTERM, &action, &sigterm_action);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	timer = deadline_start(deadline + GRACE_MS, watchdog_expired);
}

void
watchdog_set_gate(pid_t pid, int fd)
{
	gate = pid;
	gate_fd = fd;
	if (stopped)
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
	/* It was born without an exit signal (connection.c), hence __WALL. */
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
watchdog_timeout_end(void)
{
	timeout_lines = 0;
	pending_login = NULL;
	report_end_timeout(&timeout_end_line, "gate-hangs");
	timeout_lines = 1;
}

void
watchdog_timeout_nothing(void)
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
