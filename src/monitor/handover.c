/*
 * The end of the monitor, see handover.h. Run by it, as root: PAM has done its
 * part, and the mailbox program gets the client.
 */

#include "monitor/handover.h"

#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "monitor/interrupt.h"
#include "monitor/keeper.h"
#include "monitor/launch.h"
#include "monitor/pamkeeper.h"
#include "monitor/tell.h"

/* PAM has done its part: descriptors 0 and 1 are what the mailbox program will have. Stream is the mailbox program's end of a relay's, or -1. */
void
handover_show_client(const struct handover *h, enum msg_how how, int stream)
{
	const struct peer *p = h->start->peer;

	if (how == HOW_RELAY)
		client_replace(h->client, stream, stream);
	else if (how == HOW_TUNNEL)
		client_replace(h->client, p->tunnel.read, p->tunnel.write);
	else
		client_show(h->client);
	if (stream != -1)
		close(stream);
}

/* Makes the stream between relay and mailbox program, and gives the relay its end. Returns the other. */
static int
give_stream(const struct handover *h)
{
	struct msg answer;
	int stream[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		die("socketpair");
	msg_begin(&answer, MSG_LAUNCH_ANSWER);
	if (msg_send_fds(h->start->gate_fd, &answer, &stream[1], true) == -1)
		die("relay");
	close(stream[1]);
	return stream[0];
}

/* Keepers, where there is something to do behind the mailbox program, outermost first; what goes on is their child. */
static void
leave_keepers(const struct handover *h, const char *tag, enum msg_how how, int stream, bool reports)
{
	const struct options *o = h->start->opts;
	int relay = how == HOW_RELAY ? h->start->gate_fd : -1;
	bool ok = true;

	/* Nothing more is said to the gate; and only a relay has something to say. */
	if (h->start->gate_fd != -1 && relay == -1)
		close(h->start->gate_fd);
	if (o->pam_session == PAM_SESSION_WAIT)
		ok = pamkeeper_stay(&h->admission->pam, &h->admission->account, (const int[]){ h->client->in, h->client->out, stream }, o->timeout_ms,
		    &(struct pamkeeper_program){ how, relay, reports });
	pamauth_leave(&h->admission->pam);
	handover_show_client(h, how, stream);
	if (relay != -1)
		close(relay);
	if (ok && how == HOW_KTLS)
		ok = keeper_stay(&h->admission->account, tag, reports && o->pam_session != PAM_SESSION_WAIT);
	if (ok)
		return;
	launch_apologize(tag);
	die("fork");
}

/* The end of the monitor: the mailbox program takes its place, or a keeper. An empty tag is for PREAUTH. */
void
handover_run(const struct handover *h, const char *tag, const struct msg_tls *tls, enum msg_how how)
{
	struct environment_facts facts = {
		.opts = h->start->opts,
		.peer = h->start->peer,
		.account = &h->admission->account,
		.tls = tls,
		.tag = tag,
		.command = h->mechanism == MECH_LOGIN_COMMAND ? "LOGIN" : "AUTHENTICATE",
		.pam = pamauth_environment(&h->admission->pam),
	};
	/* A listener sees the end of every session, and logs it. */
	bool reports = !tell_is_heard();
	int stream = how == HOW_RELAY ? give_stream(h) : -1;

	interrupt_end();
	tell_launched(how);
	leave_keepers(h, tag, how, stream, reports);
	launch_exec(h->start->opts, &h->admission->account, &facts, h->start->inherited, log_stream());
	_exit(EX_TEMPFAIL);
}
