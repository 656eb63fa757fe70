/* The handoff, see handoff.h. Run by the monitor, as root, after MSG_LAUNCH. */

#include "monitor/handoff.h"

#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "monitor/accounting.h"
#include "monitor/keeper.h"
#include "monitor/launch.h"
#include "monitor/pamkeeper.h"
#include "monitor/watchdog.h"

void
handoff_attach_client(const struct handoff *h, enum msg_transport transport, int stream)
{
	const struct peer *p = h->start->peer;

	if (transport == TRANSPORT_RELAY)
		client_replace(h->client, stream, stream);
	else if (transport == TRANSPORT_UCSPI_TLS)
		client_replace(h->client, p->ucspi_tls.read, p->ucspi_tls.write);
	else
		client_attach(h->client);
	if (stream != -1)
		close(stream);
}

/*
 * Makes the stream between relay and mailbox program and sends the relay its end. Returns the
 * other end.
 */
static int
send_stream(const struct handoff *h)
{
	struct msg answer;
	int stream[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		die("socketpair");
	msg_begin(&answer, MSG_LAUNCH_ANSWER);
	if (msg_send_fds(h->start->gate_fd, &answer, &stream[1], true) == -1)
		die("sending the stream to the relay");
	close(stream[1]);
	return stream[0];
}

/*
 * Forks the keepers that the session needs, the PAM keeper first. Returns in the innermost
 * child, which becomes the mailbox program.
 */
static void
start_keepers(const struct handoff *h, const char *tag, enum msg_transport transport, int stream, bool reports)
{
	const struct options *o = h->start->opts;
	int relay = transport == TRANSPORT_RELAY ? h->start->gate_fd : -1;
	bool ok = true;

	/* Only a gate that becomes the relay has more to send. */
	if (h->start->gate_fd != -1 && relay == -1)
		close(h->start->gate_fd);
	if (o->pam_session == PAM_SESSION_WAIT)
		ok = pamkeeper_supervise(&h->authorization->pam, &h->authorization->account,
		    (const int[]){ h->client->in, h->client->out, stream }, o->timeout_ms,
		    &(struct pamkeeper_program){ transport, relay, reports });
	pamauth_detach(&h->authorization->pam);
	handoff_attach_client(h, transport, stream);
	if (relay != -1)
		close(relay);
	if (ok && transport == TRANSPORT_KTLS)
		ok = keeper_supervise(&h->authorization->account, tag, reports && o->pam_session != PAM_SESSION_WAIT);
	if (ok)
		return;
	launch_send_failure(tag);
	die("fork");
}

void
handoff_run(const struct handoff *h, const char *tag, const struct msg_tls *tls, enum msg_transport transport)
{
	struct environment_facts facts = {
		.opts = h->start->opts,
		.peer = h->start->peer,
		.account = &h->authorization->account,
		.tls = tls,
		.tag = tag,
		.command = h->mechanism == MECH_LOGIN_COMMAND ? "LOGIN" : "AUTHENTICATE",
		.pam = pamauth_environment(&h->authorization->pam),
	};
	/* A listener logs the end of each session itself. */
	bool reports = !accounting_has_listener();
	int stream = transport == TRANSPORT_RELAY ? send_stream(h) : -1;

	watchdog_stop();
	accounting_launched(transport);
	start_keepers(h, tag, transport, stream, reports);
	launch_exec(h->start->opts, &h->authorization->account, &facts, h->start->signals, log_stream());
	_exit(EX_TEMPFAIL);
}
