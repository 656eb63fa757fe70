/*
 * Starts zygotes and signer, reads their messages and counts their answers, see roles.h. Run by
 * the listener, as root. Waits only for the first ones to be ready.
 */

#include "listener/roles.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fileid.h"
#include "base/log.h"
#include "gatelog.h"
#include "listener/events.h"
#include "listener/generations.h"
#include "listener/process.h"
#include "role.h"

/* Interval of checking certificate files for changes, in milliseconds. */
#define REFRESH_MS	1000

/*
 * Delay of the first restart of a process that has ended, in milliseconds. The delay doubles up
 * to the second value until a process is ready.
 */
#define RESTART_MS	200
#define RESTART_MAX_MS	10000

/* Messages of one process that are read in one turn of the loop: no more fit its socket. */
#define MESSAGES_MAX	1024

/* Lines of the log that one process may request: messages of die() and bug(). */
#define LOGS_MAX	16

/* Answers that the gate zygote may owe before accepting pauses; so many requests fit its socket. */
#define PENDING_MAX	64

/* Gate zygote and signer of one set of certificates. */
struct keyring {
	struct process	gates, signer;
	struct fileid	fileids[2 * OPTIONS_CERTS];
	unsigned	usable;
	int64_t		until;		/* deadline of the start, clock_ms(); 0: started */
};

/* Event indices: the processes of both keyrings, then the monitor zygotes. */
enum {
	NOW_GATES,
	NOW_SIGNER,
	NEXT_GATES,
	NEXT_SIGNER,
	MONITORS,
};

static const struct options *opts;
static const struct signals *signals;
static const struct roles_callbacks *callbacks;

static struct keyring now, next;	/* next.until is 0 if there is none */
static int64_t refresh_at, restart_at;
static int64_t restart_ms = RESTART_MS;

/* --- starting */

static void
restart_later(void)
{
	restart_at = clock_ms() + restart_ms;
	restart_ms = restart_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS : restart_ms * 2;
}

static bool
is_for_monitors(const struct process *p)
{
	return p != &now.gates && p != &now.signer && p != &next.gates && p != &next.signer;
}

static void
close_process(struct process *p)
{
	/* A monitor zygote is the first member of its struct generation. */
	unsigned generation = is_for_monitors(p) ? (unsigned)((const struct generation *)(const void *)p - generations) : 0;

	/* A current process that goes missing is restarted, whatever the cause. */
	if (p->control != -1 && restart_at == 0 &&
	    (p == &now.gates || p == &now.signer || (is_for_monitors(p) && generation == generations_current)))
		restart_at = clock_ms() + restart_ms;
	if (process_close(p))
		callbacks->zygote_ended(is_for_monitors(p), generation);
}

static void
drop_keyring(struct keyring *k)
{
	close_process(&k->gates);
	close_process(&k->signer);
}

/*
 * Starts gate zygote and signer of a new set. Without certificates there is no signer. Events
 * have the indices from first on.
 */
static bool
start_keyring(struct keyring *k, uint32_t first)
{
	int signing[2] = { -1, -1 };
	bool started;

	*k = (struct keyring){ .gates = { .control = -1 }, .signer = { .control = -1 }, .until = clock_ms() + PROCESS_READY_MS };
	fileid_get_all(k->fileids, opts);
	if (opts->certs > 0 && msg_pair(signing) == -1)
		return false;
	started = (opts->certs == 0 || process_start(&k->signer, ROLE_SIGNER, signing[1], first + NOW_SIGNER, signals)) &&
	    process_start(&k->gates, ROLE_GATES, signing[0], first + NOW_GATES, signals);
	if (signing[0] != -1) {
		close(signing[0]);
		close(signing[1]);
	}
	if (!started)
		drop_keyring(k);
	return started;
}

/*
 * Ends a failed renewal: the old set stays. With later the cause may pass, so the next check
 * renews again; else only changed files do.
 */
static void
abandon_next(const char *file, const char *reason, bool later)
{
	struct log_line line;

	log_begin(&line, LOG_ERR, "certificate-fail");
	if (file[0] != '\0')
		log_text(&line, "file", file);
	log_text(&line, "reason", reason);
	log_write(&line);
	if (later)
		memset(now.fileids, 0, sizeof(now.fileids));
	else
		memcpy(now.fileids, next.fileids, sizeof(now.fileids));
	drop_keyring(&next);
	next.gates.pid = next.signer.pid = 0;
	next.until = 0;
	if (now.gates.control == -1 && restart_at == 0)
		restart_later();
}

static const char no_process[] = "gate zygote and signer can't be started";

static void
begin_renewal(void)
{
	if (next.until != 0)
		return;
	if (!start_keyring(&next, NEXT_GATES))
		abandon_next("", no_process, true);
}

/* Puts the new set in place of the old one, which ends with its last connection. */
static void
install_next(void)
{
	struct log_line line;
	bool renewed = now.gates.control != -1 && opts->certs > 0;

	drop_keyring(&now);
	now = next;
	memset(&next, 0, sizeof(next));
	next.gates.control = next.signer.control = -1;
	restart_ms = RESTART_MS;
	process_set_index(&now.gates, NOW_GATES);
	process_set_index(&now.signer, NOW_SIGNER);
	if (!renewed)
		return;
	log_begin(&line, LOG_INFO, "certificates-renewed");
	log_field(&line, "usable", "%u", now.usable);
	log_write(&line);
}

void
roles_begin(const struct options *o, const struct signals *in, const struct roles_callbacks *e, const char *kept)
{
	unsigned i;

	opts = o;
	signals = in;
	callbacks = e;
	next.gates.control = next.signer.control = -1;
	for (i = 0; i < ROLES_GENERATIONS; i++)
		generations[i].zygote.control = -1;
	generations_restore(kept, MONITORS);
	if (!start_keyring(&now, 0) ||
	    !process_start(&generations[generations_current].zygote, ROLE_MONITORS, -1, MONITORS + generations_current, signals))
		die("starting zygotes");
	if (now.signer.control != -1)
		process_require_ready(&now.signer, "signer", callbacks->signing);
	now.usable = process_require_ready(&now.gates, "gate zygote", callbacks->signing);
	process_require_ready(&generations[generations_current].zygote, "monitor zygote", callbacks->signing);
	now.until = 0;
}

bool
roles_are_ready(void)
{
	return now.gates.ready && now.gates.pending < PENDING_MAX && next.until == 0 && generations[generations_current].zygote.ready;
}

void
roles_refresh(void)
{
	struct fileid fileids[2 * OPTIONS_CERTS];

	if (clock_left(refresh_at) > 0 || opts->certs == 0 || next.until != 0)
		return;
	refresh_at = clock_ms() + REFRESH_MS;
	fileid_get_all(fileids, opts);
	if (memcmp(fileids, now.fileids, 2 * opts->certs * sizeof(fileids[0])) != 0)
		begin_renewal();
}

bool
roles_spawn_gate(const struct msg_spawn_gate *spawn, const int fds[2])
{
	static struct msg m;

	msg_begin(&m, MSG_SPAWN_GATE);
	m.u.spawn_gate = *spawn;
	errno = ECHILD;
	if (now.gates.control == -1 || msg_send_fds(now.gates.control, &m, fds, false) == -1)
		return false;
	now.gates.pending++;
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

/* SIGKILL also ends a stopped process. Its end fails all requests that it has not answered. */
void
roles_kill_gate_zygote(void)
{
	if (now.gates.pending > 0)
		process_kill(&now.gates);
}

unsigned
roles_pending(void)
{
	unsigned i, pending = now.gates.pending;

	for (i = 0; i < ROLES_GENERATIONS; i++)
		pending += generations[i].zygote.pending;
	return pending;
}

static struct process *
process_of(uint32_t index)
{
	struct process *const keyrings[] = { &now.gates, &now.signer, &next.gates, &next.signer };

	return index < MONITORS ? keyrings[index] : &generations[(index - MONITORS) % ROLES_GENERATIONS].zygote;
}

/* Waits until the old gate zygote owes no answer. */
static void
install_next_if_ready(void)
{
	if (next.gates.ready && (opts->certs == 0 || next.signer.ready) && now.gates.pending == 0)
		install_next();
}

/* Handles MSG_READY of a zygote or signer. Returns false if none was due. */
static bool
handle_ready(struct process *p, const struct msg_ready *ready)
{
	if (p->asked) {
		p->asked = false;
		return true;
	}
	if (p->ready || (ready->failed && p != &next.gates))
		return false;
	p->ready = !ready->failed;
	/* A signer that is ready alone is none that can be used. */
	if (is_for_monitors(p))
		restart_ms = RESTART_MS;
	if (p == &next.gates)
		next.usable = ready->usable;
	if (ready->failed)
		abandon_next(ready->file, ready->reason, ready->later != 0);
	return true;
}

/* Handles MSG_SPAWNED. Returns false if it answers no request. */
static bool
handle_spawned(struct process *p, const struct msg_spawned *spawned)
{
	if (p->pending == 0)
		return false;
	p->pending--;
	if (callbacks->spawned(spawned, is_for_monitors(p)))
		return true;
	p->pending++;
	return false;
}

/*
 * SECURITY: the listener trusts these processes only as far as their own connections. Returns
 * false for a message that none of them sends.
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
		if (p != &now.signer && p != &next.signer)
			return false;
		callbacks->signing(m);
		return true;
	case MSG_LOG:
		if (p->logs++ == LOGS_MAX)
			return false;
		callbacks->signing(m);
		return true;
	}
	return false;
}

/* SECURITY: a process that has been taken over is ended, and not only left alone. A new one takes the place. */
static void
kill_violator(struct process *p, const char *text)
{
	gatelog_bug(text);
	process_kill(p);
	close_process(p);
}

void
roles_receive(uint32_t index)
{
	struct process *p = process_of(index);
	static struct msg m;
	const char *wrong = NULL;
	int fds[MSG_FDS], received, i;

	for (i = 0; i < MESSAGES_MAX && p->control != -1; i++) {
		received = msg_recv_now(p->control, &m, fds, &wrong);
		if (received == 0 && errno == EAGAIN)
			return;
		/* The end of a process with something unread: words before that are behind this error. */
		if (received == 0 && errno == ECONNRESET)
			continue;
		if (received == 0)
			close_process(p);
		else if (received == -1 || !handle_message(p, &m))
			kill_violator(p, received == -1 ? wrong : "a zygote or signer says what none does");
		/* No message of a zygote or signer has descriptors. */
		if (received == 1)
			msg_close_fds(fds);
		install_next_if_ready();
		p = process_of(index);
	}
}

/* Schedules the restart of a current process that has ended. */
static void
report_missing(struct process *p, const char *what)
{
	close_process(p);
	p->pid = 0;
	callbacks->shortage(what, "it has ended");
	restart_later();
}

/*
 * Handles the end of a process of the new set. The messages are read first: one may be the
 * reason, or MSG_READY.
 */
static bool
next_ended(pid_t pid, int status)
{
	if (pid != next.gates.pid && pid != next.signer.pid)
		return false;
	roles_receive(pid == next.gates.pid ? NEXT_GATES : NEXT_SIGNER);
	if (pid == now.gates.pid || pid == now.signer.pid)
		return false;
	if (next.until != 0)
		abandon_next("", WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG ? "it can't be used" : no_process, true);
	return true;
}

static bool
monitors_ended(pid_t pid)
{
	unsigned i;

	for (i = 0; i < ROLES_GENERATIONS; i++) {
		struct process *p = &generations[i].zygote;

		if (p->pid != pid)
			continue;
		roles_receive(MONITORS + i);
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
	if (next_ended(pid, status) || monitors_ended(pid))
		return true;
	if (pid != now.gates.pid && pid != now.signer.pid)
		return false;
	roles_receive(pid == now.gates.pid ? NOW_GATES : NOW_SIGNER);
	/* The last answer may have put the next ones in place. */
	if (pid == now.gates.pid)
		report_missing(&now.gates, "gate-zygote");
	else if (pid == now.signer.pid)
		report_missing(&now.signer, "signer");
	return true;
}

bool
roles_has_pid(pid_t pid)
{
	uint32_t i;

	for (i = 0; i < MONITORS + ROLES_GENERATIONS; i++)
		if (process_of(i)->pid == pid)
			return true;
	return false;
}

/* With the signer's end the gate zygote is replaced too. */
void
roles_check_signer(void)
{
	if (!process_is_silent(&now.signer))
		return;
	callbacks->shortage("signer", "it does not answer");
	process_kill(&now.signer);
}

int64_t
roles_due(void)
{
	int64_t at = next.until;

	clock_earliest(&at, restart_at);
	clock_earliest(&at, process_due(&generations[generations_current].zygote));
	return at;
}

static void
restart_missing(void)
{
	struct process *monitors = &generations[generations_current].zygote;
	bool missing = now.gates.control == -1 || (opts->certs > 0 && now.signer.control == -1);

	restart_at = 0;
	if (missing)
		begin_renewal();
	if (monitors->control == -1 && !process_start(monitors, ROLE_MONITORS, -1, MONITORS + generations_current, signals))
		callbacks->shortage("monitor-zygote", strerror(errno));
	if ((missing && next.until == 0) || monitors->control == -1)
		restart_later();
}

void
roles_tick(void)
{
	if (restart_at != 0 && clock_left(restart_at) == 0)
		restart_missing();
	process_kill_if_late(&generations[generations_current].zygote);
	if (next.until == 0 || clock_left(next.until) > 0)
		return;
	process_kill(&next.gates);
	process_kill(&next.signer);
	abandon_next("", "it takes too long", true);
}
