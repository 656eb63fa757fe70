#ifndef IMAPGATE_GATE_H
#define IMAPGATE_GATE_H

/*
 * The conversation before the login: IMAP's Not Authenticated state (RFC
 * 9051, 3.1), from the greeting to the handoff.
 */

#include <stdbool.h>
#include <stdint.h>

#include "sandbox.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"

/* The start of a gate. */
struct gate_start {
	const struct options	*opts;
	struct peer		*peer;		/* its own copy: a proxy's client takes its place */
	struct tls		*tls;		/* loaded before the fork; NULL: there is no certificate */
	struct sandbox		 sandbox;
	int			 monitor;	/* the gate's end of the login pair */
	int			 sign;		/* and of the signer's; -1: the monitor signs */
	enum ktls_obstacle	 no_ktls;	/* why the kernel can't do TLS on this connection, as far as is known */
	bool			 no_program;	/* there is no mailbox program: say so behind the handshake, and end */
	int64_t			 deadline;	/* of the login, clock_ms() */
};

/* Enters the sandbox, talks to the client on descriptors 0 and 1, and exits when there is nothing left to do. */
void	gate_run(const struct gate_start *) __attribute__((noreturn));

#endif
