#ifndef IMAPGATE_CONNECTION_H
#define IMAPGATE_CONNECTION_H

#include <sys/socket.h>

#include "board.h"
#include "gate/sandbox.h"
#include "gate/tls.h"
#include "monitor/launch.h"
#include "options.h"

/* What all connections have in common, found out before the first one. */
struct connection_setup {
	struct sandbox		 sandbox;
	struct tls		*tls;		/* ready for use; NULL: each gate makes its own when it is needed */
	int			 keyholder;	/* who is asked for the private keys; -1: each monitor reads them when they are needed */
	struct launch_inherited	 inherited;
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

/*
 * The same in a child of the listener: what can be prepared was prepared
 * there. Takes this process's seat on its board, and the address that
 * accept(2) has returned.
 */
void	connection_serve(const struct connection_setup *, const struct options *, struct board_seat *, const struct sockaddr_storage *from)
	    __attribute__((noreturn));

/*
 * Logs tls-missing: clients begin with TLS on a port that is served in the clear.
 * Takes the listener's port, 0 for none or where the log's context names it, and
 * whether a socket's name could tell.
 */
void	connection_warn_of_port(unsigned port, bool named);

/* Leaves only a PATH: for what a superserver's environment had to say is read before. */
void	connection_clear_environment(void);

#endif
