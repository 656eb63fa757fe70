#ifndef IMAPGATE_CHECK_PROGRAM_H
#define IMAPGATE_CHECK_PROGRAM_H

/*
 * Checks of the mailbox program: whether it exists, users can execute it, and its arguments can
 * be expanded.
 */

#include <limits.h>

#include "config/options.h"
#include "sandbox.h"

/*
 * Prints a finding for each template that can't be expanded, or that has the home directory of
 * an invoking user in it. Returns false if one can't be expanded. invoker_remember must have
 * been called.
 */
bool	program_check_templates(const struct options *);

/*
 * Finds the program as a login would and fills path. Prints a finding if it is missing, with the
 * places searched, or if its name is not an absolute path. Returns false if it is missing.
 */
bool	program_find(const struct options *, char path[PATH_MAX]);

/*
 * Prints findings about the program and the templates. Tests execution as --run-as, or else with
 * the gate's ids in sandbox. Returns false if program or templates can't be used by any user.
 */
bool	program_check(const struct options *, const struct sandbox *);

#endif
