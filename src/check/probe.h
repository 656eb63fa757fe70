#ifndef IMAPGATE_CHECK_PROBE_H
#define IMAPGATE_CHECK_PROBE_H

/*
 * --probe: starts the mailbox program as a login would, on a socket pair, and finds the options
 * that it needs: whether it writes the tagged OK, and whether clients learn its capabilities.
 */

#include "config/options.h"

/*
 * Prints these options, one per line, or an error; with --check, findings about the options that
 * are set. Returns the exit status: 0, 1 after a warning, 2 if the program can't be used.
 */
int	probe_run(const struct options *);

/* Does the same as part of --check, after its other checks have prepared the environment. */
int	probe_ask(const struct options *);

#endif
