#ifndef IMAPGATE_CONNECTION_H
#define IMAPGATE_CONNECTION_H

#include "board.h"
#include "options.h"

/*
 * Serves the one connection on descriptors 0 and 1: two processes, of which
 * this one is the monitor and becomes the mailbox program. Log is what that
 * program's descriptor 2 shall be. Seat is this process's on the listener's
 * board, all zeros without one.
 */
void	connection_run(const struct options *, int log_fd, struct board_seat *) __attribute__((noreturn));

#endif
