/*
 * The process of a zygote or signer, see process.h. Run by the listener, as root.
 */

#include "listener/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/again.h"
#include "base/clock.h"
#include "base/log.h"
#include "listener/events.h"

/* Send buffer in octets: enough for the monitors that a burst of logins needs. */
#define SEND_BUFFER	(4 * 1024 * 1024)

static int
make_control(struct process *p, int *other)
{
	int pair[2], size = SEND_BUFFER;

	if (msg_pair(pair) == -1)
		return -1;
	/* SO_SNDBUFFORCE exceeds net.core.wmem_max; it takes CAP_NET_ADMIN (socket(7)). */
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == -1)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p->control = pair[0];
	*other = pair[1];
	return 0;
}

bool
process_close(struct process *p)
{
	bool unanswered = p->pending > 0;

	if (p->control != -1) {
		events_remove(p->control);
		close(p->control);
	}
	p->control = -1;
	p->ready = false;
	p->pending = 0;
	return unanswered;
}

bool
process_start(struct process *p, enum role role, int signing, uint32_t index, const struct signals *signals)
{
	int other, error;

	*p = (struct process){ .pid = 0, .control = -1, .until = clock_ms() + PROCESS_READY_MS };
	if (make_control(p, &other) == -1)
		return false;
	p->pid = role_start(role, other, signing, signals);
	error = errno;
	close(other);
	if (p->pid != -1 && events_add(p->control, EVENT_ROLE, index))
		return true;
	if (p->pid == -1)
		errno = error;
	p->pid = p->pid == -1 ? 0 : p->pid;
	process_close(p);
	return false;
}

void
process_set_index(const struct process *p, uint32_t index)
{
	if (p->control != -1)
		events_change(p->control, EVENT_ROLE, index);
}

void
process_kill(const struct process *p)
{
	siginfo_t info;

	/* SECURITY: after waitpid(2) the pid may be another process's. */
	if (p->pid > 0 && waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		kill(p->pid, SIGKILL);
}

/*
 * Waits for one message until a point on clock_ms(). Takes a name for the log. Returns false at
 * the end of file. Dies on a timeout, or if the message is malformed.
 */
static bool
process_receive(const struct process *p, const char *name, int64_t until, struct msg *m)
{
	struct pollfd pfd = { p->control, POLLIN, 0 };
	unsigned tries = 0;
	const char *error = NULL;
	int fds[MSG_FDS_MAX], n;

	do
		n = poll(&pfd, 1, clock_left(until));
	while (n == -1 && errno == EINTR && again(&tries) && clock_left(until) > 0);
	if (n == 0)
		errno = ETIMEDOUT;
	if (n != 1)
		die("waiting for the %s", name);
	n = msg_recv_now(p->control, m, fds, &error);
	if (n == 1)
		return true;
	if (n == -1)
		errno = 0;
	if (n == -1 || errno != 0)
		die("reading from the %s%s%s", name, error != NULL ? ": " : "", error != NULL ? error : "");
	return false;
}

/*
 * Exits with the status of a process that exited before it was ready and has logged the reason.
 * Dies with a log line if the process was killed, or exited with 0 or EX_USAGE: no reason is
 * logged then.
 */
static void __attribute__((noreturn))
process_exit_like(const struct process *p, const char *name)
{
	int status = 0, ms;

	for (ms = 0; ms < 1000 && waitpid(p->pid, &status, WNOHANG) == 0; ms += 10)
		poll(NULL, 0, 10);
	errno = 0;
	/* A status of 0 is also that of a process that still runs. */
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EX_USAGE)
		die("the %s exited before it was ready, with wait status 0x%04x", name, (unsigned)status);
	_exit(WEXITSTATUS(status));
}

unsigned
process_require_ready(struct process *p, const char *name, void (*log)(const struct msg *))
{
	int64_t until = clock_ms() + PROCESS_READY_MS;
	struct msg m;

	do {
		if (!process_receive(p, name, until, &m))
			process_exit_like(p, name);
		if (m.type == MSG_LOG)
			log(&m);
	} while (m.type == MSG_LOG);
	errno = 0;
	if (m.type != MSG_READY)
		die("unexpected message type %u from the %s", m.type, name);
	die_status = m.u.ready.later ? EX_TEMPFAIL : EX_CONFIG;
	if (m.u.ready.failed)
		die("TLS is not possible: %s%s%s", m.u.ready.reason, m.u.ready.file[0] != '\0' ? ": " : "", m.u.ready.file);
	die_status = EX_TEMPFAIL;
	p->ready = true;
	return m.u.ready.usable;
}

int64_t
process_due(const struct process *p)
{
	return p->control != -1 && !p->ready ? p->until : 0;
}

void
process_kill_if_late(struct process *p)
{
	if (process_due(p) == 0 || clock_left(p->until) > 0)
		return;
	process_kill(p);
	p->until = 0;
}

bool
process_is_silent(struct process *p)
{
	static struct msg m;

	if (p->control == -1 || ++p->ticks < PROCESS_TICKS)
		return false;
	p->ticks = 0;
	if (p->asked)
		return true;
	msg_begin(&m, MSG_READY);
	p->asked = msg_send_fds(p->control, &m, NULL, false) == 0;
	return false;
}
