/*
 * The life of a connection, see serve.h. Run by the listener, as root.
 *
 * SECURITY: a gate may be in the hands of its client. Of what it says only
 * types are looked at here, and structs of fixed size taken; passwords go to
 * the monitor unread. A gate or monitor that does what none does is killed,
 * and its connection ends.
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
#include "childexit.h"
#include "clock.h"
#include "connection.h"
#include "gatelog.h"
#include "listener/connections.h"
#include "listener/events.h"
#include "listener/refusal.h"
#include "listener/roles.h"
#include "log.h"

/* Processes end by themselves behind a deadline; who has not by then is ended. */
#define OVERSTAY_MS	10000

/* The same for a relay whose mailbox program has ended (RELAY_FAREWELL_MS). */
#define FAREWELL_MS	90000

/* What a gate may have logged of one connection. */
#define LOGS_MAX	(8 + 2 * OPTIONS_CERTS)

/* Children that have ended before their zygote's answer came. */
#define EARLY_MAX	1024

static const struct options *const *opts;
static void (*trouble)(const char *what, const char *why);

static struct early {
	pid_t	pid;
	int	status;
} early[EARLY_MAX];
static size_t earlies;

static const struct options *
options_of(const struct connection *c)
{
	return opts[c->imaps];
}

/* Lines of the log from here to leave_log are about this connection. */
static void
enter_log(const struct connection *c)
{
	peer_log(&c->peer);
	if (c->tls[0] == '\0')
		return;
	log_context("tls", c->tls);
	log_context("cipher", c->cipher);
}

static void
leave_log(void)
{
	log_context_clear();
}

static void
close_fd(int *fd)
{
	if (*fd == -1)
		return;
	events_remove(*fd);
	close(*fd);
	*fd = -1;
}

static bool
is_here(const struct child *child)
{
	return child->state == CHILD_STARTING || child->state == CHILD_RUNNING;
}

static void
end_child(const struct child *child)
{
	if (child->state == CHILD_RUNNING)
		kill(child->pid, SIGKILL);
}

/* Nobody can be had who would decide. The gate hears that its pair is closed, and says so to its client. */
static void
lack_monitor(struct connection *c, const char *why)
{
	trouble("monitor", why);
	enter_log(c);
	gatelog_end("unavailable", 1);
	leave_log();
	c->told = true;
}

/* The connection is over when its processes are. */
static void
finish_if_over(struct connection *c)
{
	if (is_here(&c->gate) || is_here(&c->monitor))
		return;
	close_fd(&c->client);
	close_fd(&c->login);
	close_fd(&c->account);
	if (c->generation != ROLES_GENERATIONS)
		roles_leave(c->generation);
	connections_leave(c);
}

/* It needs no monitor zygote any more. */
static void
leave_generation(struct connection *c)
{
	roles_leave(c->generation);
	c->generation = ROLES_GENERATIONS;
}

/* A gate does what no gate of ours does, or a monitor. */
static void
expel(struct connection *c, const struct child *child, const char *text)
{
	enter_log(c);
	gatelog_bug(text);
	leave_log();
	c->told = c->expelled = true;
	end_child(child);
	if (child == &c->monitor)
		close_fd(&c->account);
	else if (c->login != -1)
		close_fd(&c->login);
}

/* Beginning. */

static void
spawn_gate(struct connection *c)
{
	struct msg_spawn_gate spawn = { .slot = c->slot, .serial = c->serial, .tls_on_connect = c->imaps, .no_ktls = c->no_ktls,
	    .deadline = c->deadline };
	int pair[2] = { -1, -1 }, error = 0;

	spawn.peer = c->peer;
	if (msg_pair(pair) == -1 || !roles_spawn_gate(&spawn, (const int[]){ c->client, pair[1] }))
		error = errno;
	if (pair[1] != -1)
		close(pair[1]);
	c->login = pair[0];
	if (error == 0 && events_add(c->login, EVENT_LOGIN, c->slot)) {
		c->gate.state = CHILD_STARTING;
		return;
	}
	trouble("gate", strerror(error != 0 ? error : errno));
	refusal_say(c->client, options_of(c)->tls_on_connect);
	finish_if_over(c);
}

/* Has a monitor forked, to which the client goes, and the gate's pair if there is one. */
static void
spawn_monitor(struct connection *c, bool peer_first)
{
	static struct msg m;
	struct msg_spawn_monitor *spawn = &m.u.spawn_monitor;
	int pair[2], error;
	bool asked;

	if (msg_pair(pair) == -1) {
		lack_monitor(c, strerror(errno));
		close_fd(&c->client);
		close_fd(&c->login);
		finish_if_over(c);
		return;
	}
	msg_begin(&m, peer_first ? MSG_SPAWN_PEER : MSG_SPAWN_MONITOR);
	spawn->slot = c->slot;
	spawn->serial = c->serial;
	spawn->tls_on_connect = c->imaps;
	spawn->logs = c->logs;
	spawn->deadline = c->deadline;
	spawn->peer = c->peer;
	memcpy(spawn->tls, c->tls, sizeof(spawn->tls));
	memcpy(spawn->cipher, c->cipher, sizeof(spawn->cipher));
	connections_keys(spawn->failure_key, spawn->account_key);
	asked = roles_spawn_monitor(c->generation, &m, (const int[]){ c->client, pair[1], c->login });
	error = errno;
	msg_wipe(&m);
	close(pair[1]);
	c->account = pair[0];
	if (!peer_first) {
		close_fd(&c->client);
		close_fd(&c->login);
	}
	if (asked && events_add(c->account, EVENT_ACCOUNT, c->slot)) {
		c->monitor.state = CHILD_STARTING;
		return;
	}
	lack_monitor(c, strerror(error));
	close_fd(&c->account);
	finish_if_over(c);
}

void
serve_begin(const struct options *both[2], void (*on_trouble)(const char *what, const char *why))
{
	opts = both;
	trouble = on_trouble;
}

void
serve_accepted(struct connection *c, bool imaps, int fd, const struct sockaddr_storage *from)
{
	const struct options *o = opts[imaps];
	int on = 1;

	c->imaps = imaps;
	c->client = fd;
	c->deadline = clock_ms() + o->timeout_ms;
	c->generation = roles_join();
	if (!peer_look(&c->peer, fd, from)) {
		/* The client has reset the connection, and the kernel has forgotten it. */
		enter_log(c);
		gatelog_end("disconnected", connections_count_line(c, LINE_END));
		leave_log();
		finish_if_over(c);
		return;
	}
	c->peer.tunnel = (struct peer_tunnel){ 0, 0, 0 };
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
		const struct connection *c = connections_at(slot);

		if (c == NULL)
			continue;
		if ((c->login != -1 && !events_add(c->login, EVENT_LOGIN, slot)) ||
		    (c->account != -1 && !events_add(c->account, EVENT_ACCOUNT, slot)))
			die("epoll");
	}
}

/* Answers of the zygotes. */

static void	reap(struct connection *, struct child *, int status);

/* The service stops while this connection is on its way, or waits. */
static void
dismiss(struct connection *c)
{
	connections_dismiss(c);
	if (connections_is_session(c))
		return;
	if (c->monitor.state == CHILD_RUNNING)
		kill(c->monitor.pid, SIGTERM);
	else if (c->login != -1)
		shutdown(c->login, SHUT_WR);
}

static void
take_child(struct connection *c, struct child *child, pid_t pid)
{
	size_t i;

	connections_enter(c, child, pid);
	if (c->expelled)
		end_child(child);
	else if (connections_is_dismissed(c))
		dismiss(c);
	for (i = 0; i < earlies; i++)
		if (early[i].pid == pid) {
			int status = early[i].status;

			early[i] = early[--earlies];
			connections_reap(pid, status, &c);
			reap(c, child, status);
			return;
		}
}

static void
miss_child(struct connection *c, struct child *child, const char *why)
{
	child->state = CHILD_NONE;
	if (child == &c->gate) {
		trouble("gate", why);
		refusal_say(c->client, options_of(c)->tls_on_connect);
	} else
		lack_monitor(c, why);
	close_fd(&c->account);
	finish_if_over(c);
}

void
serve_spawned(const struct msg_spawned *spawned, bool monitor)
{
	struct connection *c = connections_find(spawned->slot, spawned->serial);
	struct child *child;

	if (c == NULL)
		return;
	child = monitor ? &c->monitor : &c->gate;
	if (child->state != CHILD_STARTING)
		return;
	if (monitor)
		leave_generation(c);
	if (spawned->pid > 0)
		take_child(c, child, spawned->pid);
	else
		miss_child(c, child, strerror(spawned->error));
	/* Who has ended early and was not this one is nobody's. */
	if (roles_pending() == 0)
		earlies = 0;
}

/* A zygote is gone. What it has forked without telling is not known: it ends by itself, for want of its pair. */
void
serve_lost(bool monitor)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);
		struct child *child;

		if (c == NULL)
			continue;
		child = monitor ? &c->monitor : &c->gate;
		if (child->state == CHILD_STARTING)
			miss_child(c, child, "its zygote has ended");
	}
}

/* SECURITY: a gate that wants anything else signed than TLS has been taken over, and is not served any longer. */
void
serve_signing(const struct msg *m)
{
	const struct msg_sign_report *r = &m->u.sign_report;
	const struct options *o = opts[false];
	struct connection *c;
	struct log_line line;

	if (m->type == MSG_LOG) {
		gatelog_write(&m->u.log, 1);
		return;
	}
	c = connections_find(r->slot, r->serial);
	if (c != NULL)
		enter_log(c);
	log_begin(&line, LOG_ERR, r->refused ? "sign-refused" : "key-fail");
	if (r->refused) {
		log_field(&line, "index", "%u", r->index);
		log_field(&line, "scheme", "0x%04x", r->scheme);
		log_field(&line, "len", "%u", r->len);
	} else
		log_text(&line, "file", r->index < o->certs ? o->key[r->index] : "");
	log_text(&line, "reason", r->reason);
	log_write(&line);
	leave_log();
	if (c != NULL && r->refused)
		expel(c, &c->gate, "gate wanted signed what is not TLS");
}

/* What the gate says, before there is a monitor. */

static bool
is_quiet_end(const struct msg_log *log)
{
	return log->commands == 0 && log->reason != REASON_SHUTDOWN;
}

static void
hear_log(struct connection *c, const struct msg_log *log)
{
	unsigned times = 1;
	enum gatelog said;

	if (++c->logs > LOGS_MAX) {
		expel(c, &c->gate, "gate logs once too often");
		return;
	}
	if (log->event == EVENT_TLS_FAIL)
		times = connections_count_line(c, LINE_TLS_FAIL);
	else if (log->event == EVENT_END && is_quiet_end(log))
		times = connections_count_line(c, LINE_END);
	enter_log(c);
	said = gatelog_write(log, times);
	leave_log();
	c->told |= said == GATELOG_ENDS || said == GATELOG_FAILS;
	if (said == GATELOG_WRONG)
		expel(c, &c->gate, "gate logs what no gate does");
	else if (log->event == EVENT_TLS) {
		memcpy(c->tls, log->tls.protocol, sizeof(c->tls));
		memcpy(c->cipher, log->tls.cipher, sizeof(c->cipher));
	}
}

/* Behind a proxy it is only now known whose connection this is. It was counted as the proxy's, which is unlimited. */
static void
hear_proxied(struct connection *c, const struct msg_proxied *p)
{
	struct proxy header = { (enum proxy_client)p->client, p->source, p->destination, p->tls != 0, "", "" };
	const struct options *o = options_of(c);
	struct msg answer;
	enum msg_limit limit;

	memcpy(header.tls_protocol, p->tls_protocol, sizeof(header.tls_protocol));
	memcpy(header.tls_cipher, p->tls_cipher, sizeof(header.tls_cipher));
	if (c->heard || !peer_is_proxy(&c->peer, o) || !peer_replace(&c->peer, &header)) {
		expel(c, &c->gate, "gate speaks for a proxy that there is not");
		return;
	}
	c->proxied = true;
	limit = connections_move(c, o, connections_network(o, c->peer.address));
	msg_begin(&answer, MSG_PROXIED_ANSWER);
	answer.u.proxied_answer.limit = limit;
	msg_send_fds(c->login, &answer, NULL, false);
	if (limit == LIMIT_NONE)
		return;
	enter_log(c);
	gatelog_end(msg_limit_name(limit), connections_count_line(c, LINE_END));
	leave_log();
	c->told = true;
}

/* Anything else is for a monitor to hear. */
static void
want_monitor(struct connection *c)
{
	if (connections_is_dismissed(c)) {
		enter_log(c);
		gatelog_end("shutdown", 1);
		leave_log();
		c->told = true;
		close_fd(&c->login);
		return;
	}
	/* SECURITY: else the client would be taken for its proxy, which no limit is for. */
	if (!c->proxied && peer_is_proxy(&c->peer, options_of(c))) {
		expel(c, &c->gate, "gate does not say whom the proxy speaks for");
		return;
	}
	spawn_monitor(c, false);
}

/* Takes one message. False if there is none, or none more is heard. */
static bool
hear_gate(struct connection *c)
{
	static struct msg m;
	const char *wrong = NULL;
	int fds[MSG_FDS], received;
	uint32_t type;

	if (c->login == -1)
		return false;
	received = msg_look(c->login, &type);
	if (received == 1 && type != MSG_LOG && type != MSG_PROXIED) {
		want_monitor(c);
		return false;
	}
	if (received == 1)
		received = msg_recv_now(c->login, &m, fds, &wrong);
	if (received == 0 && errno == EAGAIN)
		return false;
	if (received == 0)
		close_fd(&c->login);
	else if (received == -1)
		expel(c, &c->gate, wrong);
	else if (m.type == MSG_LOG)
		hear_log(c, &m.u.log);
	else
		hear_proxied(c, &m.u.proxied);
	c->heard = true;
	return c->login != -1;
}

void
serve_login(uint32_t slot)
{
	struct connection *c = connections_at(slot);

	if (c == NULL)
		return;
	/* One turn of the loop each, for a gate that never stops must not hold up others. */
	hear_gate(c);
}

/* What the monitor says. */

static void
answer_monitor(struct connection *c, const struct msg *answer)
{
	/* A monitor has asked one thing at a time, so there is room. */
	if (msg_send_fds(c->account, answer, NULL, false) == -1 && errno == EAGAIN)
		expel(c, &c->monitor, "monitor does not listen");
}

static void
answer_gate_end(struct connection *c)
{
	struct msg answer;

	c->waited = is_here(&c->gate);
	if (c->waited)
		return;
	msg_begin(&answer, MSG_GATE_END_ANSWER);
	answer.u.gate_end_answer.status = c->gate.status;
	answer_monitor(c, &answer);
}

static void
hear_launched(struct connection *c, const struct msg_launched *launched)
{
	if (!connections_is_session(c)) {
		expel(c, &c->monitor, "monitor launches without a login");
		return;
	}
	log_add_dropped(launched->dropped);
	c->launched = true;
	c->relayed = launched->how == HOW_RELAY;
	close_fd(&c->account);
}

static void
hear_failed(struct connection *c, const struct msg_failed *failed)
{
	struct msg answer;

	log_add_dropped(failed->dropped);
	msg_begin(&answer, MSG_FAILED_ANSWER);
	answer.u.failed_answer.failures = connections_failed(c, failed);
	answer_monitor(c, &answer);
}

static void
hear_logged_in(struct connection *c, const struct msg_logged_in *login)
{
	struct msg answer;

	log_add_dropped(login->dropped);
	msg_begin(&answer, MSG_LOGGED_IN_ANSWER);
	answer.u.logged_in_answer.limit = connections_log_in(c, options_of(c), login);
	answer_monitor(c, &answer);
}

/* --preauth peer, and nobody whom we serve: somebody who may log in like everybody else, as soon as this monitor has ended. */
static void
hear_peer_unknown(struct connection *c)
{
	if (c->gate.state != CHILD_NONE || c->client == -1)
		expel(c, &c->monitor, "monitor wants a second gate");
	else
		c->peer_unknown = true;
}

static void
obey_monitor(struct connection *c, const struct msg *m)
{
	switch (m->type) {
	case MSG_FAILED:
		hear_failed(c, &m->u.failed);
		return;
	case MSG_LOGGED_IN:
		hear_logged_in(c, &m->u.logged_in);
		return;
	case MSG_GATE_END:
		answer_gate_end(c);
		return;
	case MSG_LAUNCHED:
		hear_launched(c, &m->u.launched);
		return;
	case MSG_PEER_UNKNOWN:
		hear_peer_unknown(c);
		return;
	case MSG_DROPPED:
		log_add_dropped(m->u.dropped.dropped);
		return;
	}
	expel(c, &c->monitor, "monitor says what none does");
}

/* Takes one message. False if there is none, or none more is heard. */
static bool
hear_monitor(struct connection *c)
{
	static struct msg m;
	const char *wrong = NULL;
	int fds[MSG_FDS], received;

	if (c->account == -1)
		return false;
	received = msg_recv_now(c->account, &m, fds, &wrong);
	if (received == 0 && errno == EAGAIN)
		return false;
	if (received == 1)
		obey_monitor(c, &m);
	else if (received == -1)
		expel(c, &c->monitor, wrong);
	else
		close_fd(&c->account);
	return c->account != -1;
}

void
serve_account(uint32_t slot)
{
	struct connection *c = connections_at(slot);

	if (c != NULL)
		hear_monitor(c);
}

/* Ends. */

static void
reap_gate(struct connection *c)
{
	/* Its last words may not have been read yet. */
	while (hear_gate(c))
		;
	if (!c->told && c->monitor.state == CHILD_NONE) {
		enter_log(c);
		gatelog_died(WIFEXITED(c->gate.status) ? WEXITSTATUS(c->gate.status) : EX_SOFTWARE);
		leave_log();
	}
	if (c->waited && c->account != -1)
		answer_gate_end(c);
	finish_if_over(c);
}

static void
reap_monitor(struct connection *c)
{
	while (hear_monitor(c))
		;
	close_fd(&c->account);
	if (c->peer_unknown && !c->expelled) {
		c->peer_unknown = false;
		c->monitor.state = CHILD_NONE;
		c->generation = roles_join();
		spawn_gate(c);
		return;
	}
	/* A gate stays for its relay's sake only. */
	if (!c->launched || !c->relayed)
		end_child(&c->gate);
	connections_end_session(c);
	c->deadline = clock_ms() + FAREWELL_MS;
	finish_if_over(c);
}

static void
reap(struct connection *c, struct child *child, int status)
{
	enter_log(c);
	childexit_report(child->pid, status, c->name);
	leave_log();
	if (child == &c->gate)
		reap_gate(c);
	else
		reap_monitor(c);
}

bool
serve_ended(pid_t pid, int status)
{
	struct connection *c;
	struct child *child = connections_reap(pid, status, &c);

	if (child != NULL)
		reap(c, child, status);
	else if (roles_pending() > 0 && earlies < EARLY_MAX)
		early[earlies++] = (struct early){ pid, status };
	else
		return false;
	return true;
}

void
serve_dismiss_all(void)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);

		if (c != NULL)
			dismiss(c);
	}
}

static bool
is_late(const struct connection *c)
{
	return !connections_is_session(c) && clock_left(c->deadline + OVERSTAY_MS) == 0;
}

void
serve_look_at_deadlines(void)
{
	uint32_t slot;

	for (slot = 0; slot < connections_end(); slot++) {
		struct connection *c = connections_at(slot);

		if (c == NULL || !is_late(c))
			continue;
		if (c->gate.state == CHILD_RUNNING && !c->told) {
			enter_log(c);
			gatelog_end("gate-hangs", 1);
			leave_log();
			c->told = true;
		}
		end_child(&c->gate);
		end_child(&c->monitor);
	}
}
