#ifndef IMAPGATE_GATE_RELAY_H
#define IMAPGATE_GATE_RELAY_H

/*
 * After a login over TLS: bytes between the client and the mailbox program,
 * until both have said their last. There is no deadline any more; how long a
 * session may be idle is the mailbox program's business (RFC 9051, 5.4).
 */

#include "gate/conn.h"

/*
 * Moves bytes until the mailbox program's end of file has been passed on,
 * with close_notify, or the client's connection is broken and what it sent
 * has been passed on. Ends the connection.
 */
void	relay_run(struct conn *, int mailbox);

#endif
