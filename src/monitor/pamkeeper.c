/*
 * The keeper of a PAM session, see pamkeeper.h. Begins and ends as root.
 *
 * It can't give up what it has, as the keeper of a TLS session does: which
 * capabilities, system calls and libraries the modules want at the end is
 * theirs to know. pam_mount unmounts, pam_exec starts what it was told to.
 *
 * SECURITY: nor can it execute itself anew, since the modules' own data hang
 * on PAM's handle. So password hashes that PAM has read may be in its memory;
 * its user can't reach that, because it never has his uid, and never dumps.
 */

#include "monitor/pamkeeper.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "monitor/deadline.h"
#include "monitor/keeper.h"
#include "monitor/launch.h"
#include "monitor/report.h"

/* For the case that the deadline finds a module hanging. */
static struct log_line late;
static volatile sig_atomic_t verdict = EX_TEMPFAIL;

static void
on_deadline(int sig)
{
	(void)sig;
	log_write(&late);
	_exit(verdict);
}

static void
on_signal(int sig)
{
	(void)sig;
}

/* The client must see its end when the mailbox program closes it, not when we are done. */
static void
close_client(const int client[PAMKEEPER_FDS])
{
	size_t i;

	for (i = 0; i < PAMKEEPER_FDS; i++)
		if (client[i] != -1)
			close(client[i]);
}

/* Whom should they end? We are about to. Caught, since the programs that modules start would inherit it if they were ignored. */
static void
hear_no_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t signals, none;
	int sig;

	keeper_signals(&signals);
	for (sig = 1; sig < SIGRTMIN; sig++)
		if (sig != SIGCHLD && sigismember(&signals, sig))
			sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
close_session(struct pamauth *p, const struct account *a, unsigned most_ms)
{
	const char *wrong;
	struct log_line l;

	report_session_failure(&late, a, "deadline");
	deadline_start(clock_ms() + most_ms, on_deadline);
	wrong = pamauth_close(p);
	if (wrong == NULL)
		return;
	report_session_failure(&l, a, wrong);
	log_write(&l);
}

bool
pamkeeper_stay(struct pamauth *p, const struct account *a, const int client[PAMKEEPER_FDS], unsigned most_ms)
{
	pid_t pid = keeper_fork();
	int why = errno;

	if (pid == 0)
		return true;
	if (pid > 0) {
		/* A module may have changed the effective uid, and so undone it. */
		launch_forbid_dumps();
		close_client(client);
		malloc_trim(0);
		verdict = keeper_wait(pid);
		hear_no_signals();
	}
	close_session(p, a, most_ms);
	if (pid > 0)
		_exit(verdict);
	errno = why;
	return false;
}
