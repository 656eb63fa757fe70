#ifndef IMAPGATE_LISTENER_SPAWN_H
#define IMAPGATE_LISTENER_SPAWN_H

/*
 * Requests a connection's processes from the zygotes. A failure is logged and ends the
 * connection.
 */

#include <stdbool.h>

#include "listener/connections.h"

/* Requests a gate, which gets a copy of the client's descriptor. */
void	spawn_gate(struct connection *);

/*
 * Requests a monitor, which gets the client's descriptor and the listener's end of the login pair.
 * With peer_first (--preauth peer) there is no gate yet, and the listener keeps the client's
 * descriptor.
 */
void	spawn_monitor(struct connection *, bool peer_first);

#endif
