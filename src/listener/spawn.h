#ifndef IMAPGATE_LISTENER_SPAWN_H
#define IMAPGATE_LISTENER_SPAWN_H

/* A connection's processes are asked of the zygotes. Where one can't be had the connection ends, and the log says why. */

#include <stdbool.h>

#include "listener/connections.h"

/* A gate, which gets the client; the listener keeps it too. */
void	spawn_gate(struct connection *);

/*
 * A monitor, to which the client goes, and our end of the gate's pair. With
 * peer_first (--preauth peer) there is no gate yet, and the client is kept.
 */
void	spawn_monitor(struct connection *, bool peer_first);

#endif
