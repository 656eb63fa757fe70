/*
 * Handles messages of gates and monitors, see messages.h. Run by the listener, as root.
 *
 * SECURITY: a gate may be controlled by its client. The listener looks at the type of a gate's
 * messages, and copies structs of fixed size; a login's message stays in the socket for the
 * monitor. A gate or monitor that violates the protocol is killed, and its connection ends.
 */

#include "listener/messages.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "boundary/msg.h"
#include "gatelog.h"
#include "listener/lifecycle.h"
#include "listener/spawn.h"

/* --- messages of the gate, before there is a monitor */

static bool
is_quiet_end(const struct msg_log *log)
{
	return log->commands == 0 && log->reason != REASON_SHUTDOWN;
}

static void
handle_log(struct connection *c, const struct msg_log *log)
{
	unsigned times = 1;
	enum gatelog written;

	if (++c->logs > GATE_LOGS_MAX) {
		lifecycle_kill_compromised(c, &c->gate, "too many log messages from the gate");
		return;
	}
	if (log->event == EVENT_TLS_FAIL)
		times = connections_count_line(c, LINE_TLS_FAIL);
	else if (log->event == EVENT_AUTH_REFUSED)
		times = connections_count_line(c, LINE_AUTH_REFUSED);
	else if (log->event == EVENT_END && is_quiet_end(log))
		times = connections_count_line(c, LINE_END);
	lifecycle_begin_log(c);
	written = gatelog_write(log, times);
	lifecycle_end_log();
	c->end_logged |= written == GATELOG_EXITS || written == GATELOG_FAILED;
	if (written == GATELOG_INVALID)
		lifecycle_kill_compromised(c, &c->gate, "invalid log message from the gate");
	else if (log->event == EVENT_TLS) {
		memcpy(c->tls, log->tls.protocol, sizeof(c->tls));
		memcpy(c->cipher, log->tls.cipher, sizeof(c->cipher));
	}
}

/*
 * Applies the client's address from a PROXY header. Until now the connection was the proxy's,
 * which has no limit per address.
 */
static void
handle_proxied(struct connection *c, const struct msg_proxied *p)
{
	struct proxy header = { (enum proxy_client)p->client, p->source, p->destination, p->tls != 0, "", "" };
	const struct options *o = lifecycle_options(c);
	struct msg answer;
	enum msg_limit limit;

	memcpy(header.tls_protocol, p->tls_protocol, sizeof(header.tls_protocol));
	memcpy(header.tls_cipher, p->tls_cipher, sizeof(header.tls_cipher));
	if (c->got_message || !peer_is_proxy(&c->peer, o) || !peer_replace(&c->peer, &header)) {
		lifecycle_kill_compromised(c, &c->gate, "unexpected or malformed PROXY header from the gate");
		return;
	}
	c->proxied = true;
	limit = connections_set_network(c, o, connections_network(o, c->peer.address));
	msg_begin(&answer, MSG_PROXIED_ANSWER);
	answer.u.proxied_answer.limit = limit;
	msg_send_fds(c->login, &answer, NULL, false);
	if (limit == LIMIT_NONE)
		return;
	lifecycle_begin_log(c);
	gatelog_end(msg_limit_name(limit), connections_count_line(c, LINE_END));
	lifecycle_end_log();
	c->end_logged = true;
}

/* Requests a monitor, which gets the pair with the unread message. */
static void
request_monitor(struct connection *c)
{
	if (connections_is_shut_down(c)) {
		lifecycle_begin_log(c);
		gatelog_end("shutdown", 1);
		lifecycle_end_log();
		c->end_logged = true;
		lifecycle_close(&c->login);
		return;
	}
	/* SECURITY: else the client would be taken for its proxy, to which no limit applies. */
	if (!c->proxied && peer_is_proxy(&c->peer, lifecycle_options(c))) {
		lifecycle_kill_compromised(c, &c->gate, "login before the PROXY header");
		return;
	}
	if (c->end_logged) {
		lifecycle_kill_compromised(c, &c->gate, "gate asked for a monitor after the connection's end");
		return;
	}
	spawn_monitor(c, false);
}

bool
messages_from_gate(struct connection *c)
{
	static struct msg m;
	const char *error = NULL;
	int fds[MSG_FDS_MAX], received;
	uint32_t type;

	if (c->login == -1)
		return false;
	received = msg_peek_type(c->login, &type);
	if (received == 1 && type != MSG_LOG && type != MSG_PROXIED) {
		request_monitor(c);
		return false;
	}
	if (received == 1)
		received = msg_recv_now(c->login, &m, fds, &error);
	if (received == 0 && errno == EAGAIN)
		return false;
	if (received == 0)
		lifecycle_close(&c->login);
	else if (received == -1)
		lifecycle_kill_compromised(c, &c->gate, error);
	else if (m.type == MSG_LOG)
		handle_log(c, &m.u.log);
	else
		handle_proxied(c, &m.u.proxied);
	c->got_message = true;
	return c->login != -1;
}

/* --- messages of the monitor */

static void
answer_monitor(struct connection *c, const struct msg *answer)
{
	/* The socket has room for one answer: a monitor sends one request at a time. */
	if (msg_send_fds(c->account, answer, NULL, false) == -1 && errno == EAGAIN)
		lifecycle_kill_compromised(c, &c->monitor, "monitor does not read its answers");
}

void
messages_answer_gate_end(struct connection *c)
{
	struct msg answer;

	c->awaits_gate = lifecycle_is_alive(&c->gate);
	if (c->awaits_gate)
		return;
	msg_begin(&answer, MSG_GATE_END_ANSWER);
	answer.u.gate_end_answer.status = c->gate.status;
	answer_monitor(c, &answer);
}

static void
handle_launched(struct connection *c, const struct msg_launched *launched)
{
	if (!connections_is_session(c)) {
		lifecycle_kill_compromised(c, &c->monitor, "monitor reported a launch without a login");
		return;
	}
	log_add_dropped(launched->dropped);
	c->launched = true;
	c->relayed = launched->transport == TRANSPORT_RELAY;
	lifecycle_close(&c->account);
}

static void
handle_failed(struct connection *c, const struct msg_failed *failed)
{
	struct msg answer;

	log_add_dropped(failed->dropped);
	msg_begin(&answer, MSG_FAILED_ANSWER);
	answer.u.failed_answer.failures = connections_failed(c, failed);
	answer_monitor(c, &answer);
}

static void
handle_logged_in(struct connection *c, const struct msg_logged_in *login)
{
	struct msg answer;

	if (connections_is_session(c)) {
		lifecycle_kill_compromised(c, &c->monitor, "monitor reported a second login");
		return;
	}
	log_add_dropped(login->dropped);
	msg_begin(&answer, MSG_LOGGED_IN_ANSWER);
	answer.u.logged_in_answer.limit = connections_log_in(c, lifecycle_options(c), login);
	answer_monitor(c, &answer);
}

/*
 * Handles MSG_PEER_UNKNOWN: the client gets a gate once the monitor of --preauth peer has exited.
 */
static void
handle_peer_unknown(struct connection *c)
{
	if (c->gate.state != CHILD_NONE || c->client == -1)
		lifecycle_kill_compromised(c, &c->monitor, "monitor asked for a second gate");
	else
		c->peer_unknown = true;
}

static void
handle_monitor_message(struct connection *c, const struct msg *m)
{
	switch (m->type) {
	case MSG_FAILED:
		handle_failed(c, &m->u.failed);
		return;
	case MSG_LOGGED_IN:
		handle_logged_in(c, &m->u.logged_in);
		return;
	case MSG_GATE_END:
		messages_answer_gate_end(c);
		return;
	case MSG_LAUNCHED:
		handle_launched(c, &m->u.launched);
		return;
	case MSG_PEER_UNKNOWN:
		handle_peer_unknown(c);
		return;
	case MSG_DROPPED:
		log_add_dropped(m->u.dropped.dropped);
		return;
	}
	lifecycle_kill_compromised(c, &c->monitor, "unexpected message from the monitor");
}

bool
messages_from_monitor(struct connection *c)
{
	static struct msg m;
	const char *error = NULL;
	int fds[MSG_FDS_MAX], received;

	if (c->account == -1)
		return false;
	received = msg_recv_now(c->account, &m, fds, &error);
	if (received == 0 && errno == EAGAIN)
		return false;
	if (received == 1) {
		handle_monitor_message(c, &m);
		/* No message of a monitor has descriptors. */
		msg_close_fds(fds);
	} else if (received == -1)
		lifecycle_kill_compromised(c, &c->monitor, error);
	else
		lifecycle_close(&c->account);
	return c->account != -1;
}
