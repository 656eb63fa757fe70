/*
 * The life of a connection, see serve.h. Run by the listener, as root.
 */

#include "listener/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "boundary/msg.h"
#include "base/childexit.h"
#include "base/clock.h"
#include "connection.h"
#include "gatelog.h"
#include "listener/connections.h"
#include "listener/events.h"
#include "listener/lifecycle.h"
#include "listener/messages.h"
#include "listener/reject.h"
#include "listener/roles.h"
#include "listener/spawn.h"
#include "base/log.h"

/* Processes end by themselves behind a deadline; who has not by then is ended. */
#define OVERSTAY_MS	10000

/* The same for a relay whose mailbox program has ended (RELAY_LINGER_MS). */
#define FAREWELL_MS	90000

/* Children that have ended before their zygote's answer came. */
#define EARLY_MAX	1024

static struct early {
	pid_t	pid;
	int	status;
} early[EARLY_MAX];
static size_t earlies;

/* It needs no monitor zygote any more. */
static void
leave_generation(struct connection *c)
{
	roles_release(c->generation);
	c->generation = ROLES_GENERATIONS;
}

/* Beginning. */

void
serve_accepted(struct connection *c, bool imaps, int fd, const struct sockaddr_storage *from)
{
	const struct options *o;
	int on = 1;

	c->imaps = imaps;
	o = lifecycle_options(c);
	c->client = fd;
	c->deadline = clock_ms() + o->timeout_ms;
	c->generation = roles_acquire();
	if (!peer_identify(&c->peer, fd, from)) {
		/* The client has reset the connection, and the kernel has forgotten it. */
		lifecycle_begin_log(c);
		gatelog_end("disconnected", connections_count_line(c, LINE_END));
		lifecycle_end_log();
		lifecycle_release_if_over(c);
		return;
	}
	c->peer.ucspi_tls = (struct peer_ucspi_tls){ 0, 0, 0 };
	/*
	 * Each answer is one write, so there is nothing that Nagle could join; and
	 * the mailbox program inherits it. To have it set on the listening socket
	 * is not enough: the first connection is older than its listener.
	 */
	if (c->peer.socket)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->no_ktls = connection_ask_kernel(o, &c->peer, fd, fd);
	if (connection_is_by_peer(o, &c->peer))
		spawn_monitor(c, true);
	else
		spawn_gate(c);
}

void
serve_resume(void)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);

		if (c == NULL)
			continue;
		/* Its monitor zygote is gone: then it is for that of now. */
		if (!roles_has_generation(c->generation))
			c->generation = ROLES_GENERATIONS;
		if ((c->login != -1 && !events_add(c->login, EVENT_LOGIN, slot)) ||
		    (c->account != -1 && !events_add(c->account, EVENT_ACCOUNT, slot)))
			die("epoll");
	}
}

/* Answers of the zygotes. */

static void	reap_child(struct connection *, struct connection_process *, int status);

/* The service stops while this connection is on its way, or waits. */
static void
shut_down(struct connection *c)
{
	connections_shut_down(c);
	if (connections_is_session(c))
		return;
	if (c->monitor.state == CHILD_RUNNING)
		kill(c->monitor.pid, SIGTERM);
	else if (c->login != -1)
		shutdown(c->login, SHUT_WR);
}

/* How a child has ended of which the zygote tells only now: 0, and status is filled; or not yet, -1. */
static int
find_early(pid_t pid, int *status)
{
	siginfo_t info;
	size_t i;

	for (i = 0; i < earlies; i++)
		if (early[i].pid == pid) {
			*status = early[i].status;
			early[i] = early[--earlies];
			return 0;
		}
	/* SECURITY: others may have taken all the room; a process that is not ours any more must not be killed by its number. */
	*status = EX_SOFTWARE << 8;
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD ? 0 : -1;
}

static void
adopt_child(struct connection *c, struct connection_process *child, pid_t pid)
{
	int status;

	connections_set_pid(c, child, pid);
	if (find_early(pid, &status) == 0) {
		connections_set_ended(pid, status, &c);
		reap_child(c, child, status);
	} else if (c->violated)
		lifecycle_kill(child);
	else if (connections_is_shut_down(c))
		shut_down(c);
}

static void
child_missing(struct connection *c, struct connection_process *child, const char *reason)
{
	child->state = CHILD_NONE;
	if (child == &c->gate) {
		lifecycle_report_shortage("gate", reason);
		reject_send_bye(c->client, lifecycle_options(c)->tls_on_connect);
	} else
		lifecycle_fail_monitor(c, reason);
	lifecycle_close(&c->account);
	lifecycle_release_if_over(c);
}

void
serve_spawned(const struct msg_spawned *spawned, bool monitor)
{
	struct connection *c = connections_find(spawned->slot, spawned->serial);
	struct connection_process *child;

	if (c == NULL)
		return;
	child = monitor ? &c->monitor : &c->gate;
	if (child->state != CHILD_STARTING)
		return;
	if (monitor)
		leave_generation(c);
	if (spawned->pid > 0)
		adopt_child(c, child, spawned->pid);
	else
		child_missing(c, child, strerror(spawned->error));
	/* Who has ended early and was not this one is nobody's. */
	if (roles_pending() == 0)
		earlies = 0;
}

/* A zygote is gone. What it has forked without telling is not known: it ends by itself, for want of its pair. */
void
serve_zygote_ended(bool monitor, unsigned generation)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);
		struct connection_process *child;

		if (c == NULL)
			continue;
		child = monitor ? &c->monitor : &c->gate;
		if (child->state == CHILD_STARTING && (!monitor || c->generation == generation))
			child_missing(c, child, "its zygote has ended");
	}
}

static const char *
key_file(uint32_t index)
{
	const struct options *o = lifecycle_options(NULL);

	return index < o->certs ? o->key[index] : "";
}

/* SECURITY: a gate that wants anything else signed than TLS has been taken over, and is not served any longer. */
void
serve_signing(const struct msg *m)
{
	const struct msg_sign_report *r = &m->u.sign_report;
	struct connection *c;
	struct log_line line;

	if (m->type == MSG_LOG) {
		gatelog_write(&m->u.log, 1);
		return;
	}
	c = connections_find(r->slot, r->serial);
	if (c != NULL)
		lifecycle_begin_log(c);
	log_begin(&line, LOG_ERR, r->refused ? "sign-refused" : "key-fail");
	if (r->refused) {
		log_field(&line, "index", "%u", r->index);
		log_field(&line, "scheme", "0x%04x", r->scheme);
		log_field(&line, "len", "%u", r->len);
	} else
		log_text(&line, "file", key_file(r->index));
	log_text(&line, "reason", r->reason);
	log_write(&line);
	lifecycle_end_log();
	if (c != NULL && r->refused)
		lifecycle_kill_violator(c, &c->gate, "gate wanted signed what is not TLS");
}

/* Messages. */

void
serve_login(uint32_t slot)
{
	struct connection *c = connections_at(slot);

	if (c != NULL)
		messages_from_gate(c);
}

void
serve_account(uint32_t slot)
{
	struct connection *c = connections_at(slot);

	if (c != NULL)
		messages_from_monitor(c);
}

/* Ends. */

static void
reap_gate(struct connection *c)
{
	/* Its last words may not have been read yet. */
	while (messages_from_gate(c))
		;
	if (!c->end_logged && c->monitor.state == CHILD_NONE) {
		lifecycle_begin_log(c);
		gatelog_died(WIFEXITED(c->gate.status) ? WEXITSTATUS(c->gate.status) : EX_SOFTWARE);
		lifecycle_end_log();
	}
	if (c->waited && c->account != -1)
		messages_answer_gate_end(c);
	lifecycle_release_if_over(c);
}

static void
reap_monitor(struct connection *c)
{
	while (messages_from_monitor(c))
		;
	lifecycle_close(&c->account);
	if (c->peer_unknown && !c->violated) {
		c->peer_unknown = false;
		c->monitor.state = CHILD_NONE;
		c->generation = roles_acquire();
		spawn_gate(c);
		return;
	}
	/* A gate stays for its relay's sake only. */
	if (!c->launched || !c->relayed)
		lifecycle_kill(&c->gate);
	connections_end_session(c);
	c->deadline = clock_ms() + FAREWELL_MS;
	lifecycle_release_if_over(c);
}

static void
reap_child(struct connection *c, struct connection_process *child, int status)
{
	lifecycle_begin_log(c);
	if (child == &c->monitor && connections_is_session(c))
		childexit_report_session(child->pid, c->name, clock_ms() - c->began, status);
	childexit_report(child->pid, status, c->name);
	lifecycle_end_log();
	if (child == &c->gate)
		reap_gate(c);
	else
		reap_monitor(c);
}

bool
serve_ended(pid_t pid, int status)
{
	struct connection *c;
	struct connection_process *child = connections_set_ended(pid, status, &c);

	if (child != NULL)
		reap_child(c, child, status);
	else if (roles_pending() > 0 && earlies < EARLY_MAX)
		early[earlies++] = (struct early){ pid, status };
	else
		return false;
	return true;
}

void
serve_shut_down_all(void)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);

		if (c != NULL)
			shut_down(c);
	}
}

static bool
is_late(const struct connection *c)
{
	return !connections_is_session(c) && clock_left(c->deadline + OVERSTAY_MS) == 0;
}

/* A zygote that has not answered by now hangs, and all connections that come after this one would wait for it. */
static void
end_zygotes(const struct connection *c)
{
	if (c->gate.state == CHILD_STARTING)
		roles_kill_gate_zygote();
	if (c->monitor.state == CHILD_STARTING)
		roles_kill_monitor_zygote(c->generation);
}

void
serve_check_deadlines(void)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);

		if (c == NULL || !is_late(c))
			continue;
		if (c->gate.state == CHILD_RUNNING && !c->end_logged) {
			lifecycle_begin_log(c);
			gatelog_end("gate-hangs", 1);
			lifecycle_end_log();
			c->end_logged = true;
		}
		lifecycle_kill(&c->gate);
		lifecycle_kill(&c->monitor);
		end_zygotes(c);
	}
}
