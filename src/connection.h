#ifndef IMAPGATE_CONNECTION_H
#define IMAPGATE_CONNECTION_H

#include "options.h"

/*
 * Serves the one connection on descriptors 0 and 1: two processes, of which
 * this one is the monitor and becomes the mailbox program. Log is what that
 * program's descriptor 2 shall be.
 */
void	connection_run(const struct options *, int log_fd) __attribute__((noreturn));

#endif
