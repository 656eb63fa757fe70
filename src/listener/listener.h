#ifndef IMAPGATE_LISTENER_H
#define IMAPGATE_LISTENER_H

/*
 * The process that accepts connections if it was started with listening sockets. Zygotes fork the
 * gates and monitors for it (roles.h).
 */

#include "activation.h"
#include "config/options.h"

/*
 * Accepts on these sockets. After SIGTERM or SIGINT exits with 0 once no client before login is
 * left; sessions continue. SIGHUP executes the program anew with argv, without losing a
 * connection.
 */
void	listener_run(const struct options *, const struct activation_socket *, size_t sockets, char *argv[]) __attribute__((noreturn));

#endif
