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

#include "base/childexit.h"
#include "base/clock.h"
#include "base/log.h"
#include "boundary/msg.h"
#include "connection.h"
#include "gatelog.h"
#include "listener/connections.h"
#include "listener/events.h"
#include "listener/lifecycle.h"
#include "listener/messages.h"
#include "listener/reject.h"
#include "listener/reload.h"
#include "listener/roles.h"
#include "listener/spawn.h"

/*
 * Time after the login's deadline until gate and monitor are killed, in milliseconds. Both should
 * have exited at the deadline.
 */
#define OVERSTAY_MS	10000

/*
 * Time for a relay to exit after its mailbox program, in milliseconds; it is killed OVERSTAY_MS
 * later. Longer than RELAY_LINGER_MS.
 */
#define RELAY_EXIT_MS	90000

/* Children that exited before the zygote reported their pid. */
#define EARLY_MAX	1024

static struct early {
	pid_t	pid;
	int	status;
} early[EARLY_MAX];
static size_t early_count;

/* Releases the monitor zygote, which the connection no longer needs. */
static void
release_generation(struct connection *c)
{
	roles_release(c->generation);
	c->generation = ROLES_GENERATIONS;
}

/* --- beginning */

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
		/* The client has reset the connection, so its address is unknown. */
		lifecycle_begin_log(c);
		gatelog_end("disconnected", connections_count_line(c, LINE_END));
		lifecycle_end_log();
		lifecycle_release_if_over(c);
		return;
	}
	c->peer.ucspi_tls = (struct peer_ucspi_tls){ 0, 0, 0 };
	/*
	 * Nagle's algorithm would only delay: each reply is one write. The mailbox program
	 * inherits the setting. The listening socket can't have it set in time: connections in
	 * its backlog may be older than this process.
	 */
	if (c->peer.tcp_socket)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->no_ktls = connection_ktls_obstacle(o, &c->peer, fd, fd);
	if (connection_is_peer_preauth(o, &c->peer))
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
		/* The monitor zygote has exited: the current one forks the monitor. */
		if (c->generation != ROLES_GENERATIONS && !roles_is_restored(c->generation))
			c->generation = roles_acquire();
		if ((c->login != -1 && !events_add(c->login, EVENT_LOGIN, slot)) ||
		    (c->account != -1 && !events_add(c->account, EVENT_ACCOUNT, slot)))
			die("epoll");
	}
}

/* --- answers of the zygotes */

static void	reap_child(struct connection *, struct connection_process *, int status);

/*
 * Stops a connection before login: by SIGTERM to the monitor, else by shutdown(2) of the gate's
 * pair.
 */
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

/*
 * Finds the status of a child that exited before its pid was reported. Returns 0 and fills the
 * status; -1: the child runs.
 */
static int
find_early(pid_t pid, int *status)
{
	siginfo_t info;
	size_t i;

	for (i = 0; i < early_count; i++)
		if (early[i].pid == pid) {
			*status = early[i].status;
			early[i] = early[--early_count];
			return 0;
		}
	/*
	 * SECURITY: the list may be full of other processes. A pid that is no child now must not
	 * be killed later.
	 */
	*status = EX_SOFTWARE << 8;
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD ? 0 : -1;
}

/*
 * Watches for messages of a child whose pid is known. Before that a session could begin whose end
 * is never noticed. Returns false with errno on failure.
 */
static bool
watch_child(const struct connection *c, const struct connection_process *child)
{
	bool is_gate = child == &c->gate;
	int fd = is_gate ? c->login : c->account;

	return fd == -1 || events_add(fd, is_gate ? EVENT_LOGIN : EVENT_ACCOUNT, c->slot);
}

static void
adopt_child(struct connection *c, struct connection_process *child, pid_t pid)
{
	int status;

	connections_set_pid(c, child, pid);
	if (find_early(pid, &status) == 0) {
		connections_set_ended(pid, status, &c);
		reap_child(c, child, status);
	} else if (!watch_child(c, child)) {
		lifecycle_report_shortage(child == &c->gate ? "gate" : "monitor", strerror(errno));
		lifecycle_kill(child);
	} else if (c->compromised)
		lifecycle_kill(child);
	else if (connections_is_shut_down(c))
		shut_down(c);
}

/* Handles the failure to start a child. */
static void
fail_child(struct connection *c, struct connection_process *child, const char *reason)
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

/*
 * Returns whether a pid belongs to another process of ours. SECURITY: a false report of a pid
 * would get that process killed at this connection's deadline.
 */
static bool
is_taken(pid_t pid)
{
	return roles_has_pid(pid) || connections_has_pid(pid) || reload_has_pid(pid);
}

/*
 * Forgets early ends once all requests are answered: what is left belongs to no connection, and
 * the pids may be used again.
 */
static void
forget_early(void)
{
	if (roles_pending() == 0)
		early_count = 0;
}

bool
serve_spawned(const struct msg_spawned *spawned, bool monitor)
{
	struct connection *c = connections_find(spawned->slot, spawned->serial);
	struct connection_process *child;

	if (c == NULL)
		return false;
	child = monitor ? &c->monitor : &c->gate;
	if (child->state != CHILD_STARTING || (spawned->pid > 0 && is_taken(spawned->pid)))
		return false;
	if (monitor)
		release_generation(c);
	if (spawned->pid > 0)
		adopt_child(c, child, spawned->pid);
	else
		fail_child(c, child, strerror(spawned->error));
	forget_early();
	return true;
}

/*
 * Fails the requests of a zygote that has exited. A process that it forked but had not reported
 * exits by itself, since its pair is closed.
 */
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
			fail_child(c, child, "the zygote has exited");
	}
	forget_early();
}

static const char *
key_file(uint32_t index)
{
	const struct options *o = lifecycle_options(NULL);

	return index < o->n_cert ? o->key[index] : "";
}

/*
 * Logs a message of a zygote or signer. SECURITY: a gate that asks for a signature outside of TLS
 * is compromised, and is killed.
 */
void
serve_log_message(const struct msg *m)
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
		lifecycle_kill_compromised(c, &c->gate, "gate asked to sign something other than a TLS handshake");
}

/* --- messages */

/* The event may be of a former connection: watch_child() was not called for this one yet. */
void
serve_login(uint32_t slot)
{
	struct connection *c = connections_at(slot);

	if (c != NULL && c->gate.state != CHILD_STARTING)
		messages_from_gate(c);
}

void
serve_account(uint32_t slot)
{
	struct connection *c = connections_at(slot);

	if (c != NULL && c->monitor.state != CHILD_STARTING)
		messages_from_monitor(c);
}

/* --- ends */

static void
reap_gate(struct connection *c)
{
	/* Messages of the gate may be unread, such as its log line about the end. */
	while (messages_from_gate(c))
		;
	if (!c->end_logged && c->monitor.state == CHILD_NONE) {
		lifecycle_begin_log(c);
		gatelog_died(WIFEXITED(c->gate.status) ? WEXITSTATUS(c->gate.status) : EX_SOFTWARE);
		lifecycle_end_log();
	}
	if (c->awaits_gate && c->account != -1)
		messages_answer_gate_end(c);
	lifecycle_release_if_over(c);
}

static void
reap_monitor(struct connection *c)
{
	while (messages_from_monitor(c))
		;
	lifecycle_close(&c->account);
	if (c->peer_unknown && !c->compromised) {
		c->peer_unknown = false;
		c->monitor.state = CHILD_NONE;
		c->generation = roles_acquire();
		spawn_gate(c);
		return;
	}
	/* Only a relay continues without the monitor. */
	if (!c->launched || !c->relayed)
		lifecycle_kill(&c->gate);
	connections_end_session(c);
	c->deadline = clock_ms() + RELAY_EXIT_MS;
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
	else if (roles_pending() > 0 && early_count < EARLY_MAX)
		early[early_count++] = (struct early){ pid, status };
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

/*
 * Kills a zygote that has not answered by the deadline: it hangs, and later connections would
 * wait.
 */
static void
kill_late_zygotes(const struct connection *c)
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
		kill_late_zygotes(c);
	}
}
