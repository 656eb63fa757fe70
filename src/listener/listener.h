#ifndef IMAPGATE_LISTENER_H
#define IMAPGATE_LISTENER_H

/*
 * The process that accepts connections, when it was started with listening
 * sockets: one child for each, with everything set up that connections have
 * in common.
 */

#include "activation.h"
#include "config/options.h"

/*
 * Accepts on these sockets until SIGTERM or SIGINT, then exits with 0 when
 * those who are not logged in are gone; sessions go on. SIGHUP executes the
 * program anew, as argv says, without losing a connection.
 */
void	listener_run(const struct options *, const struct activation_socket *, size_t sockets, char *argv[]) __attribute__((noreturn));

#endif
