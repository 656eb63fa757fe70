/*
 * Requests gates and monitors for connections, see spawn.h. Run by the listener, as root.
 */

#include "listener/spawn.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "boundary/msg.h"
#include "listener/lifecycle.h"
#include "listener/reject.h"
#include "listener/roles.h"

void
spawn_gate(struct connection *c)
{
	struct msg_spawn_gate spawn = { .slot = c->slot, .serial = c->serial, .tls_on_connect = c->imaps, .no_ktls = c->no_ktls,
	    .deadline = c->deadline };
	int pair[2] = { -1, -1 }, error;
	bool requested;

	spawn.peer = c->peer;
	requested = msg_pair(pair) == 0 && roles_spawn_gate(&spawn, (const int[]){ c->client, pair[1] });
	error = errno;
	if (pair[1] != -1)
		close(pair[1]);
	c->login = pair[0];
	if (requested) {
		c->gate.state = CHILD_STARTING;
		return;
	}
	lifecycle_report_shortage("gate", strerror(error));
	reject_send_bye(c->client, lifecycle_options(c)->tls_on_connect);
	lifecycle_release_if_over(c);
}

void
spawn_monitor(struct connection *c, bool peer_first)
{
	static struct msg m;
	struct msg_spawn_monitor *spawn = &m.u.spawn_monitor;
	int pair[2], error;
	bool requested;

	if (msg_pair(pair) == -1) {
		lifecycle_fail_monitor(c, strerror(errno));
		lifecycle_close(&c->client);
		lifecycle_close(&c->login);
		lifecycle_release_if_over(c);
		return;
	}
	msg_begin(&m, peer_first ? MSG_SPAWN_PEER : MSG_SPAWN_MONITOR);
	spawn->slot = c->slot;
	spawn->serial = c->serial;
	spawn->logs = c->logs;
	spawn->deadline = c->deadline;
	spawn->peer = c->peer;
	memcpy(spawn->tls, c->tls, sizeof(spawn->tls));
	memcpy(spawn->cipher, c->cipher, sizeof(spawn->cipher));
	connections_keys(spawn->failure_key, spawn->account_key);
	requested = roles_spawn_monitor(c->generation, &m, (const int[]){ c->client, pair[1], c->login });
	error = errno;
	msg_wipe(&m);
	close(pair[1]);
	c->account = pair[0];
	if (!peer_first) {
		lifecycle_close(&c->client);
		lifecycle_close(&c->login);
	}
	if (requested) {
		c->monitor.state = CHILD_STARTING;
		return;
	}
	lifecycle_fail_monitor(c, strerror(error));
	lifecycle_close(&c->account);
	lifecycle_release_if_over(c);
}
