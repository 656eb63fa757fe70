/*
 * Starts zygotes and signer, reads their messages and counts their answers, see roles.h. Run by
 * the listener, as root. Blocks only in roles_begin().
 */

#include "listener/roles.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/log.h"
#include "gatelog.h"
#include "listener/certprocesses.h"
#include "listener/events.h"
#include "listener/generations.h"
#include "listener/process.h"
#include "role.h"

/* Interval of checking certificate files for changes, in milliseconds. */
#define CHECK_MS	1000

/*
 * Delay of the first restart of a process that has exited, in milliseconds. The delay doubles up
 * to the second value until a process is ready.
 */
#define RESTART_MS	200
#define RESTART_MAX_MS	10000

/* Messages of one process that are read in one turn of the loop: a socket's buffer holds fewer. */
#define MESSAGES_MAX	1024

/* Log lines that one process may request: messages of die() and bug(). */
#define PROCESS_LOGS_MAX	16

/*
 * Unanswered requests of the gate zygote at which accepting pauses; its socket has room for as
 * many requests.
 */
#define PENDING_MAX	64

/*
 * Longest time that new connections wait for a renewal, in milliseconds. Later ones get the old
 * certificates.
 */
#define RENEWAL_HOLD_MS	2000

/* Delay of the next renewal after a transient failure, in milliseconds. */
#define RENEWAL_RETRY_MS	3000

/* Indices of events: the processes of both sets of certificates, then the monitor zygotes. */
enum {
	CURRENT_GATE_ZYGOTE,
	CURRENT_SIGNER,
	RENEWAL_GATE_ZYGOTE,
	RENEWAL_SIGNER,
	MONITOR_ZYGOTES,
};

static const struct options *opts;
static const struct signals *signals;
static const struct roles_callbacks *callbacks;

static struct cert_processes current, renewal;	/* renewal.until is 0 if there is none */
static int64_t check_at, restart_at, hold_at;	/* hold_at: end of RENEWAL_HOLD_MS */
static int64_t restart_ms = RESTART_MS;

/* --- starting */

static void
restart_later(void)
{
	restart_at = clock_ms() + restart_ms;
	restart_ms = restart_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS : restart_ms * 2;
}

static bool
is_monitor_zygote(const struct process *p)
{
	return p != &current.gate_zygote && p != &current.signer && p != &renewal.gate_zygote && p != &renewal.signer;
}

static void
close_process(struct process *p)
{
	/* A monitor zygote is the first member of its struct generation. */
	unsigned generation = is_monitor_zygote(p) ? (unsigned)((const struct generation *)(const void *)p - generations) : 0;

	/* A current process is restarted, whatever the reason why it is closed. */
	if (p->control != -1 && restart_at == 0 &&
	    (p == &current.gate_zygote || p == &current.signer || (is_monitor_zygote(p) && generation == generations_current)))
		restart_at = clock_ms() + restart_ms;
	if (process_close(p))
		callbacks->zygote_ended(is_monitor_zygote(p), generation);
}

static void
close_cert_processes(struct cert_processes *c)
{
	close_process(&c->gate_zygote);
	close_process(&c->signer);
}

/*
 * Ends a failed renewal: the old set stays. If transient, kills processes that may hang, and
 * retries after RENEWAL_RETRY_MS; else only a change of the files begins the next renewal.
 */
static void
abandon_renewal(const char *file, const char *reason, bool transient)
{
	certprocesses_log_failure(file, reason);
	if (transient) {
		process_kill(&renewal.gate_zygote);
		process_kill(&renewal.signer);
		memset(current.fileids, 0, sizeof(current.fileids));
		check_at = clock_ms() + RENEWAL_RETRY_MS;
	} else
		memcpy(current.fileids, renewal.fileids, sizeof(current.fileids));
	close_cert_processes(&renewal);
	renewal.gate_zygote.pid = renewal.signer.pid = 0;
	renewal.until = hold_at = 0;
	if (!certprocesses_are_ready(&current, opts) && restart_at == 0)
		restart_later();
}

static const char no_process[] = "gate zygote and signer can't be started";

static void
begin_renewal(void)
{
	if (renewal.until != 0)
		return;
	hold_at = clock_ms() + RENEWAL_HOLD_MS;
	if (!certprocesses_start(&renewal, opts, signals, RENEWAL_GATE_ZYGOTE))
		abandon_renewal("", no_process, true);
}

/* Puts the new set in place of the old one, which ends with its last connection. */
static void
install_renewal(void)
{
	bool renewed = current.gate_zygote.control != -1 && opts->n_cert > 0;

	close_cert_processes(&current);
	current = renewal;
	memset(&renewal, 0, sizeof(renewal));
	hold_at = 0;
	renewal.gate_zygote.control = renewal.signer.control = -1;
	restart_ms = RESTART_MS;
	process_set_index(&current.gate_zygote, CURRENT_GATE_ZYGOTE);
	process_set_index(&current.signer, CURRENT_SIGNER);
	if (renewed)
		certprocesses_log_renewal(&current);
}

void
roles_begin(const struct options *o, const struct signals *sig, const struct roles_callbacks *cb, const char *kept)
{
	unsigned i;

	opts = o;
	signals = sig;
	callbacks = cb;
	renewal.gate_zygote.control = renewal.signer.control = -1;
	for (i = 0; i < ROLES_GENERATIONS; i++)
		generations[i].zygote.control = -1;
	generations_restore(kept, MONITOR_ZYGOTES);
	if (!certprocesses_start(&current, opts, signals, CURRENT_GATE_ZYGOTE) ||
	    !process_start(&generations[generations_current].zygote, ROLE_MONITOR_ZYGOTE, -1, MONITOR_ZYGOTES + generations_current, signals))
		die("starting zygotes");
	if (current.signer.control != -1)
		process_require_ready(&current.signer, "signer", callbacks->log_message);
	current.usable = process_require_ready(&current.gate_zygote, "gate zygote", callbacks->log_message);
	process_require_ready(&generations[generations_current].zygote, "monitor zygote", callbacks->log_message);
	current.until = 0;
}

bool
roles_are_ready(void)
{
	/* A ready renewal is installed once no request is unanswered, so none may be added. */
	bool held = hold_at != 0 || certprocesses_are_ready(&renewal, opts);

	return certprocesses_are_ready(&current, opts) && current.gate_zygote.pending < PENDING_MAX && !held && generations[generations_current].zygote.ready;
}

void
roles_check_certificates(void)
{
	if (clock_left(check_at) > 0 || opts->n_cert == 0 || renewal.until != 0)
		return;
	check_at = clock_ms() + CHECK_MS;
	if (certprocesses_are_outdated(&current, opts))
		begin_renewal();
}

bool
roles_spawn_gate(const struct msg_spawn_gate *spawn, const int fds[2])
{
	static struct msg m;

	msg_begin(&m, MSG_SPAWN_GATE);
	m.u.spawn_gate = *spawn;
	errno = ECHILD;
	if (current.gate_zygote.control == -1 || msg_send_fds(current.gate_zygote.control, &m, fds, false) == -1)
		return false;
	current.gate_zygote.pending++;
	return true;
}

void
roles_release(unsigned generation)
{
	if (generation >= ROLES_GENERATIONS || generations[generation].waiting == 0)
		return;
	generations[generation].waiting--;
	if (generation != generations_current && generations[generation].waiting == 0)
		close_process(&generations[generation].zygote);
}

/* SIGKILL also ends a stopped process. Unanswered requests fail when it ends. */
void
roles_kill_gate_zygote(void)
{
	if (current.gate_zygote.pending > 0)
		process_kill(&current.gate_zygote);
}

unsigned
roles_pending(void)
{
	unsigned i, pending = current.gate_zygote.pending;

	for (i = 0; i < ROLES_GENERATIONS; i++)
		pending += generations[i].zygote.pending;
	return pending;
}

static struct process *
process_at(uint32_t index)
{
	struct process *const sets[] = { &current.gate_zygote, &current.signer, &renewal.gate_zygote, &renewal.signer };

	return index < MONITOR_ZYGOTES ? sets[index] : &generations[(index - MONITOR_ZYGOTES) % ROLES_GENERATIONS].zygote;
}

/* Installs the new set once it is ready and the old gate zygote has answered all requests. */
static void
install_renewal_if_ready(void)
{
	if (certprocesses_are_ready(&renewal, opts) && current.gate_zygote.pending == 0)
		install_renewal();
}

/* Handles MSG_READY of a zygote or signer. Returns false if the message was not expected. */
static bool
handle_ready(struct process *p, const struct msg_ready *ready)
{
	if (p->asked) {
		p->asked = false;
		return true;
	}
	if (p->ready || (ready->failed && p != &renewal.gate_zygote))
		return false;
	p->ready = !ready->failed;
	/* A ready signer alone is no success: install_renewal() resets the delay for it. */
	if (is_monitor_zygote(p))
		restart_ms = RESTART_MS;
	if (p == &renewal.gate_zygote)
		renewal.usable = ready->usable;
	if (ready->failed)
		abandon_renewal(ready->file, ready->reason, ready->later != 0);
	return true;
}

/* Handles MSG_SPAWNED. Returns false if the message answers no request. */
static bool
handle_spawned(struct process *p, const struct msg_spawned *spawned)
{
	if (p->pending == 0)
		return false;
	p->pending--;
	if (callbacks->spawned(spawned, is_monitor_zygote(p)))
		return true;
	p->pending++;
	return false;
}

/*
 * SECURITY: a compromised zygote may only affect its own connections. Returns false for an
 * unexpected message.
 */
static bool
handle_message(struct process *p, const struct msg *m)
{
	switch (m->type) {
	case MSG_READY:
		return handle_ready(p, &m->u.ready);
	case MSG_SPAWNED:
		return handle_spawned(p, &m->u.spawned);
	case MSG_SIGN_REPORT:
		if (p != &current.signer && p != &renewal.signer)
			return false;
		callbacks->log_message(m);
		return true;
	case MSG_LOG:
		if (p->logs++ == PROCESS_LOGS_MAX)
			return false;
		callbacks->log_message(m);
		return true;
	}
	return false;
}

/*
 * SECURITY: kills a compromised process, which might ignore a closed socket. A new one is
 * started.
 */
static void
kill_compromised(struct process *p, const char *text)
{
	gatelog_bug(text);
	process_kill(p);
	close_process(p);
}

void
roles_receive(uint32_t index)
{
	struct process *p = process_at(index);
	static struct msg m;
	const char *error = NULL;
	int fds[MSG_FDS_MAX], received, i;

	for (i = 0; i < MESSAGES_MAX && p->control != -1; i++) {
		received = msg_recv_now(p->control, &m, fds, &error);
		if (received == 0 && errno == EAGAIN)
			return;
		if (received == 0)
			close_process(p);
		else if (received == -1 || !handle_message(p, &m))
			kill_compromised(p, received == -1 ? error : "unexpected message from a zygote or signer");
		/* No message of a zygote or signer has descriptors. */
		if (received == 1)
			msg_close_fds(fds);
		install_renewal_if_ready();
		p = process_at(index);
	}
}

/*
 * Schedules the restart of a current process that has exited. Its pair may not be at the end of
 * file, if a process that it has forked keeps the other end.
 */
static void
report_missing(struct process *p, const char *what)
{
	close_process(p);
	p->pid = 0;
	callbacks->process_missing(what, "the process has exited");
	restart_later();
	install_renewal_if_ready();
}

/*
 * Handles the end of a process of the new set. Reads the messages first: one may be the reason, or
 * MSG_READY. Returns false if the process is not of the new set.
 */
static bool
renewal_ended(pid_t pid, int status)
{
	if (pid != renewal.gate_zygote.pid && pid != renewal.signer.pid)
		return false;
	roles_receive(pid == renewal.gate_zygote.pid ? RENEWAL_GATE_ZYGOTE : RENEWAL_SIGNER);
	/* roles_receive() has installed the new set. */
	if (pid == current.gate_zygote.pid || pid == current.signer.pid)
		return false;
	if (renewal.until != 0)
		abandon_renewal("", WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG ? "the certificates can't be used" : no_process, true);
	return true;
}

static bool
monitor_zygote_ended(pid_t pid)
{
	unsigned i;

	for (i = 0; i < ROLES_GENERATIONS; i++) {
		struct process *p = &generations[i].zygote;

		if (p->pid != pid)
			continue;
		roles_receive(MONITOR_ZYGOTES + i);
		if (i == generations_current)
			report_missing(p, "monitor-zygote");
		close_process(p);
		p->pid = 0;
		return true;
	}
	return false;
}

bool
roles_ended(pid_t pid, int status)
{
	if (renewal_ended(pid, status) || monitor_zygote_ended(pid))
		return true;
	if (pid != current.gate_zygote.pid && pid != current.signer.pid)
		return false;
	roles_receive(pid == current.gate_zygote.pid ? CURRENT_GATE_ZYGOTE : CURRENT_SIGNER);
	/* roles_receive() may have installed the new set. */
	if (pid == current.gate_zygote.pid)
		report_missing(&current.gate_zygote, "gate-zygote");
	else if (pid == current.signer.pid)
		report_missing(&current.signer, "signer");
	return true;
}

bool
roles_has_pid(pid_t pid)
{
	uint32_t i;

	for (i = 0; i < MONITOR_ZYGOTES + ROLES_GENERATIONS; i++)
		if (process_at(i)->pid == pid)
			return true;
	return false;
}

/* The gate zygote is replaced as well: its socket to the signer is closed. */
void
roles_check_signer(void)
{
	if (!process_is_silent(&current.signer))
		return;
	callbacks->process_missing("signer", "the signer does not answer");
	process_kill(&current.signer);
}

int64_t
roles_due(void)
{
	int64_t at = renewal.until;

	clock_earliest(&at, restart_at);
	clock_earliest(&at, hold_at);
	clock_earliest(&at, process_due(&generations[generations_current].zygote));
	return at;
}

static void
restart_missing_processes(void)
{
	struct process *monitor_zygote = &generations[generations_current].zygote;
	bool missing = !certprocesses_are_ready(&current, opts);

	restart_at = 0;
	if (missing)
		begin_renewal();
	if (monitor_zygote->control == -1 && !process_start(monitor_zygote, ROLE_MONITOR_ZYGOTE, -1, MONITOR_ZYGOTES + generations_current, signals))
		callbacks->process_missing("monitor-zygote", strerror(errno));
	if ((missing && renewal.until == 0) || monitor_zygote->control == -1)
		restart_later();
}

void
roles_tick(void)
{
	if (restart_at != 0 && clock_left(restart_at) == 0)
		restart_missing_processes();
	if (hold_at != 0 && clock_left(hold_at) == 0)
		hold_at = 0;
	process_kill_if_late(&generations[generations_current].zygote);
	if (renewal.until != 0 && clock_left(renewal.until) == 0)
		abandon_renewal("", "the renewal takes too long", true);
}
