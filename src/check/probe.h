#ifndef IMAPGATE_CHECK_PROBE_H
#define IMAPGATE_CHECK_PROBE_H

/*
 * --probe: starts the mailbox program as a login would, on a socket of ours,
 * and finds out which options it needs: who writes the tagged OK, and whether
 * clients learn there what it can do.
 */

#include "options.h"

/* Prints these options, one a line, or what went wrong. Returns the exit status: 0, 1 after a warning, or 2 if the program can't be used. */
int	probe_run(const struct options *);

#endif
