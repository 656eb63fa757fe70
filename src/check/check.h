#ifndef IMAPGATE_CHECK_CHECK_H
#define IMAPGATE_CHECK_CHECK_H

/*
 * --check: tests what a login needs, and prints one line for each result, with a remedy if it is
 * an error.
 */

#include "config/options.h"

/*
 * Prints all findings to standard output. Returns the exit status: 0, 1 after warnings, 2 after
 * errors.
 */
int	check_run(const struct options *);

#endif
