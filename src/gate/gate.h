#ifndef IMAPGATE_GATE_H
#define IMAPGATE_GATE_H

/*
 * The process that talks to the client before the login: IMAP's Not Authenticated state (RFC
 * 9051, 3.1), from the greeting to the handoff.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/peer.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "sandbox.h"

/* Parameters of a gate. */
struct gate_start {
	const struct options	*opts;
	struct peer		*peer;		/* own copy; a PROXY header changes it */
	struct tls		*tls;		/* loaded before the fork; NULL: no certificate */
	struct sandbox		 sandbox;
	int			 monitor;	/* the gate's end of the login pair */
	int			 sign;		/* the gate's end of the signer's pair; -1: the monitor signs */
	enum ktls_obstacle	 no_ktls;	/* known obstacle to TLS in the kernel */
	bool			 no_program;	/* the mailbox program was not found */
	int64_t			 deadline;	/* of the login; clock_ms() */
};

/*
 * Enters the sandbox, talks to the client on descriptors 0 and 1, and exits when the connection
 * or the session ends.
 */
void	gate_run(const struct gate_start *) __attribute__((noreturn));

#endif
