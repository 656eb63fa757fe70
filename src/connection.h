#ifndef IMAPGATE_CONNECTION_H
#define IMAPGATE_CONNECTION_H

/* One connection of a superserver; and what a listener finds out about each of its own in the same way. */

#include <stdbool.h>

#include "boundary/login.h"
#include "sandbox.h"
#include "config/options.h"
#include "base/peer.h"
#include "base/signals.h"

/* What all connections have in common, found out before the first one. */
struct connection_setup {
	struct sandbox		 sandbox;
	struct signals		 signals;
	bool			 no_program;	/* the mailbox program is missing; only where the gate is to say so */
};

/*
 * Tries the settings that every login on this machine needs, and puts signals
 * into the state that serving needs, but for those that are to be blocked
 * (NULL: none). Dies, with EX_CONFIG, at what can't work.
 */
void	connection_prepare(struct connection_setup *, const struct options *, const sigset_t *blocked);

/*
 * Serves the one connection that a superserver has put on descriptors 0 and
 * 1: two processes, of which this one is the monitor and becomes the mailbox
 * program.
 */
void	connection_run(const struct options *) __attribute__((noreturn));

/* Is this peer logged in by its credentials alone, before there is a gate (--preauth peer)? */
bool	connection_is_by_peer(const struct options *, const struct peer *);

/*
 * May the kernel have the TLS session of the client on these descriptors one
 * day? It is asked before the first byte since that is when it can: to load its module takes
 * privilege, and a client that closes its side early would be refused later.
 */
enum ktls_obstacle	connection_ask_kernel(const struct options *, const struct peer *, int in, int out);

/*
 * Logs tls-missing: clients begin with TLS on a port that is served in the clear.
 * Takes the listener's port, 0 for none or where the log's context names it, and
 * whether a socket's name could tell.
 */
void	connection_warn_of_port(unsigned port, bool named);

/* Leaves of the environment what OpenSSL, PAM's modules and the C library shall find. */
void	connection_clear_environment(void);

#endif
