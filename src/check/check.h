#ifndef IMAPGATE_CHECK_CHECK_H
#define IMAPGATE_CHECK_CHECK_H

/* --check: tries what a login will need, and says in a line each what is in order, what is not, and how to mend it. */

#include "config/options.h"

/* Prints all findings on standard output. Returns the exit status: 0, 1 if there were warnings, 2 if there were errors. */
int	check_run(const struct options *);

#endif
