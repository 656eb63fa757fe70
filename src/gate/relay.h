#ifndef IMAPGATE_GATE_RELAY_H
#define IMAPGATE_GATE_RELAY_H

/*
 * After a login over TLS: bytes between the client and the mailbox program,
 * until both have ended. As long as both are there, there is no deadline: how
 * long a session may be idle is the mailbox program's business (RFC 9051, 5.4).
 */

#include "boundary/login.h"
#include "gate/conn.h"

/* How long a relay waits for one side when the other has ended (stunnel's TIMEOUTclose has the same value). */
#define RELAY_LINGER_MS		60000

/* Hears, at most once each, whether the mailbox program has written something. */
typedef void relay_report(enum program_output);

/*
 * Moves bytes until the mailbox program's end of file has been passed on,
 * with close_notify, or the client's connection is broken and what it sent
 * has been passed on. Ends the connection.
 *
 * Takes linger_ms, in milliseconds: so long after the mailbox program's end
 * the client may take for what is on its way, and so long nothing may move
 * after the client's end. Behind that the connection is cut without a
 * close_notify. A mailbox program that ends without one octet is spoken for
 * by failure_reply. SIGTERM ends the relay within seconds; it has to be blocked.
 */
void	relay_run(struct conn *, int mailbox, const char *failure_reply, int linger_ms, relay_report *);

#endif
