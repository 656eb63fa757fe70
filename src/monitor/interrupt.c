/*
 * Interruptions of the monitor, see interrupt.h. Run by it, as root. Handlers
 * of signals can't be told anything, so this file has what they need.
 */

#include "monitor/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/again.h"
#include "base/log.h"
#include "monitor/deadline.h"
#include "monitor/report.h"
#include "monitor/tell.h"

/* The gate tells the client of the deadline and waits for its last words to be read; behind that this process ends by itself. */
#define GRACE_MS	3000

/* The lines for the case that the deadline finds this process unable to go on, made ready before. */
static struct log_line late_login[2], late_end;
static volatile sig_atomic_t lates;	/* how many: the end's, and that of a login before it */
/* Which of late_login is complete: the other one is made, for the login's next step. */
static volatile sig_atomic_t latest;
static const struct msg_login *deciding;	/* NULL: there is none */
static unsigned deciding_attempt;

static volatile pid_t gate;		/* 0: there is none, or it is the listener's child */
static volatile sig_atomic_t gate_fd = -1;
static volatile sig_atomic_t stopped;	/* SIGTERM has come */
static struct sigaction found;		/* what SIGTERM did when we were started */
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
on_deadline(int sig)
{
	(void)sig;
	if (lates > 1)
		log_write(&late_login[latest]);
	if (lates > 0)
		log_write(&late_end);
	end_gate();
	_exit(EX_TEMPFAIL);
}

/*
 * SIGTERM: the service stops, and who is not logged in shall go. The gate
 * sees that this side of the pair is shut, says so, and ends; what it has to
 * say is still heard. A login that is being decided is in vain.
 */
static void
on_stop(int sig)
{
	int saved_errno = errno;

	(void)sig;
	stopped = 1;
	shutdown(gate_fd, SHUT_WR);
	errno = saved_errno;
}

void
interrupt_begin(int64_t deadline)
{
	const struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	sigset_t stop;

	log_last_act = end_gate;
	interrupt_late_end();
	sigaction(SIGTERM, &action, &found);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	timer = deadline_start(deadline + GRACE_MS, on_deadline);
}

void
interrupt_hear_gate(pid_t pid, int fd)
{
	gate = pid;
	gate_fd = fd;
	if (stopped)
		shutdown(gate_fd, SHUT_WR);
}

int
interrupt_wait_for_gate(void)
{
	unsigned tries = 0;
	int status;

	if (gate == 0 && tell_is_heard()) {
		status = tell_gate_end();
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
interrupt_late_login(const struct msg_login *login, unsigned attempt)
{
	lates = 0;
	deciding = login;
	deciding_attempt = attempt;
	report_login_late(&late_login[latest], login, attempt, NULL);
	report_end_late(&late_end, "deadline");
	lates = 2;
}

void
interrupt_late_end(void)
{
	lates = 0;
	deciding = NULL;
	report_end_late(&late_end, "gate-hangs");
	lates = 1;
}

void
interrupt_late_nothing(void)
{
	lates = 0;
}

void
interrupt_late_step(const char *step)
{
	if (deciding == NULL)
		return;
	report_login_late(&late_login[!latest], deciding, deciding_attempt, step);
	latest = !latest;
}

void
interrupt_settle(void)
{
	sigaction(SIGTERM, &found, NULL);
}

void
interrupt_end(void)
{
	timer_delete(timer);
}
