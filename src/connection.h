#ifndef IMAPGATE_CONNECTION_H
#define IMAPGATE_CONNECTION_H

/*
 * One connection of a superserver, and those parts of it that a listener uses for each of its
 * connections.
 */

#include <stdbool.h>

#include "base/peer.h"
#include "base/signals.h"
#include "boundary/login.h"
#include "config/options.h"
#include "sandbox.h"

/* Data of all connections, found before the first one. */
struct connection_setup {
	struct sandbox		 sandbox;
	struct signals		 signals;
	/* The mailbox program is missing, and the gate must report that to the client. */
	bool			 no_program;
};

/*
 * Checks the settings that every login needs, and sets the signals (signals_save()). Takes the
 * signals to block; NULL: one connection under a superserver. Dies with EX_CONFIG if a setting
 * can't work.
 */
void	connection_prepare(struct connection_setup *, const struct options *, const sigset_t *blocked);

/*
 * Serves the connection that a superserver has put on descriptors 0 and 1. Forks the gate; this
 * process is the monitor and becomes the mailbox program.
 */
void	connection_run(const struct options *) __attribute__((noreturn));

/* Returns whether a peer logs in by its credentials alone, without a gate (--preauth peer). */
bool	connection_is_peer_preauth(const struct options *, const struct peer *);

/*
 * Returns what prevents TLS by the kernel on the client's descriptors, OBSTACLE_NONE if nothing
 * does. Call it before the first octet: loading the kernel's module takes privilege, and the
 * kernel refuses a socket whose client has shut down its side.
 */
enum ktls_obstacle	connection_ktls_obstacle(const struct options *, const struct peer *, int in, int out);

/*
 * Logs tls-missing: clients use implicit TLS on a port that is served without. Takes the port, 0
 * for none or if the log's context has it, and whether the socket has a name that could end in
 * imaps.
 */
void	connection_warn_of_port(unsigned port, bool named);

/*
 * Clears the environment but for PATH: OpenSSL, PAM's modules and the C library must not find a
 * superserver's variables. Call it after the last function that reads them (peer_identify()).
 */
void	connection_clear_environment(void);

#endif
