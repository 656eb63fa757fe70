#ifndef IMAPGATE_GATE_RELAY_H
#define IMAPGATE_GATE_RELAY_H

/*
 * Moves octets between the client and the mailbox program, after a login over TLS that the kernel
 * can't do, until both have ended. There is no deadline before one has ended: idle timeouts are
 * the mailbox program's (RFC 9051, 5.4).
 */

#include "boundary/login.h"
#include "gate/conn.h"

/* Time that a relay waits for one side after the other has ended (as stunnel's TIMEOUTclose). */
#define RELAY_LINGER_MS		60000

/*
 * Called at most once with OUTPUT_SOME when the mailbox program first writes, and at most once
 * with OUTPUT_NONE if it ends without output.
 */
typedef void relay_report(enum program_output);

/*
 * Moves octets until the mailbox program's end of file has been passed on, with close_notify, or
 * the client's connection is broken and its input has been passed on. Ends the connection.
 * SIGTERM, which must be blocked, ends the relay within seconds.
 *
 * linger_ms (milliseconds) limits two things: the time from the mailbox program's end to the
 * relay's, and the idle time after the client's end. Then the connection is cut without
 * close_notify. If the mailbox program ends without output, failure_reply is sent instead.
 */
void	relay_run(struct conn *, int mailbox, const char *failure_reply, int linger_ms, relay_report *);

#endif
