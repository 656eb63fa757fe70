/*
 * Limits enforced by the kernel, see bounds.h. Run by the gate: the limits are set before the
 * sandbox, as root if imapgate was started as root; the signal handlers run inside the sandbox.
 */

#include "gate/bounds.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Seconds of CPU before a login. A handshake takes milliseconds, the longest dialogue < 1 s. */
#define CPU_S		10

/*
 * Time after the deadline for the gate to send its BYE. The monitor's timer is a second limit
 * (watchdog.h).
 */
#define BOUNDS_GRACE_MS	5000

/*
 * Octets that a session must move in each second of CPU: a tenth of the slowest session's, which
 * has one octet in each TLS record.
 */
#define MOVED_MIN	4096

static atomic_bool in_session, stopped;
static _Atomic uint64_t moved, moved_before;

/* SIGXCPU arrives after CPU_S seconds of CPU and then every second (getrlimit(2)). */
static void
on_cpu_limit(int sig)
{
	(void)sig;
	if (!in_session || moved - moved_before < MOVED_MIN)
		_exit(EX_SOFTWARE);
	moved_before = moved;
}

static void
on_sigterm(int sig)
{
	(void)sig;
	stopped = true;
}

static void
set_timer(int64_t ms)
{
	const struct itimerval when = { .it_value = { ms / 1000, ms % 1000 * 1000 } };

	/* SIGALRM keeps its default action, which ends even a process that hangs in a handler. */
	if (setitimer(ITIMER_REAL, &when, NULL) == -1)
		die("setitimer");
}

static void
catch_signal(int sig, void (*handler)(int))
{
	const struct sigaction action = { .sa_handler = handler };

	if (sigaction(sig, &action, NULL) == -1)
		die("sigaction");
}

/* Blocks SIGTERM; unblocks SIGALRM and SIGXCPU, which a superserver may have left blocked. */
static void
set_signal_mask(void)
{
	sigset_t blocked, unblocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigemptyset(&unblocked);
	sigaddset(&unblocked, SIGALRM);
	sigaddset(&unblocked, SIGXCPU);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) == -1 || sigprocmask(SIG_UNBLOCK, &unblocked, NULL) == -1)
		die("sigprocmask");
}

void
bounds_start(int64_t deadline)
{
	struct rlimit cpu;

	if (getrlimit(RLIMIT_CPU, &cpu) == -1)
		die("RLIMIT_CPU");
	if (cpu.rlim_cur > CPU_S)
		cpu.rlim_cur = CPU_S;
	catch_signal(SIGXCPU, on_cpu_limit);
	catch_signal(SIGTERM, on_sigterm);
	catch_signal(SIGALRM, SIG_DFL);
	set_signal_mask();
	if (setrlimit(RLIMIT_CPU, &cpu) == -1)
		die("RLIMIT_CPU");
	set_timer(clock_left(deadline) + BOUNDS_GRACE_MS);
}

void
bounds_start_session(void)
{
	in_session = true;
	set_timer(0);
}

void
bounds_count_octets(uint64_t octets)
{
	moved += octets;
}

void
bounds_end_in(int ms)
{
	set_timer(ms);
}

bool
bounds_is_stopped(void)
{
	return stopped;
}
