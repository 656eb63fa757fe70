#ifndef IMAPGATE_LISTENER_SPAWN_H
#define IMAPGATE_LISTENER_SPAWN_H

/*
 * Requests a connection's processes from the zygotes. A failure is logged and ends the
 * connection.
 */

#include <stdbool.h>

#include "listener/connections.h"

/* Requests a gate, to which a copy of the client's descriptor goes. */
void	spawn_gate(struct connection *);

/*
 * Requests a monitor, to which the client's descriptor and the listener's end of the login pair
 * move. With peer_first (--preauth peer) there is no gate yet, and the listener keeps the
 * descriptor.
 */
void	spawn_monitor(struct connection *, bool peer_first);

#endif
