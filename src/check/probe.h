#ifndef IMAPGATE_CHECK_PROBE_H
#define IMAPGATE_CHECK_PROBE_H

/*
 * --probe: starts the mailbox program as a login would, on a socket of ours,
 * and finds out which options it needs: who writes the tagged OK, and whether
 * clients learn there what it can do.
 */

#include "config/options.h"

/*
 * Prints these options, one a line, or what went wrong; with --check, what is
 * wrong with the options that are set. Returns the exit status: 0, 1 after a
 * warning, or 2 if the program can't be used.
 */
int	probe_run(const struct options *);

/* The same behind other findings of --check, in the environment that they have left. */
int	probe_ask(const struct options *);

#endif
