#ifndef IMAPGATE_CHECK_PROGRAM_H
#define IMAPGATE_CHECK_PROGRAM_H

/* Checks the mailbox program: is it there, may others than root execute it, and can its arguments be made? */

#include <limits.h>

#include "sandbox.h"
#include "config/options.h"

/*
 * Prints a finding for each template that can't be used, and for each that has
 * the home of a user in it who may have typed it (invoker_remember() before).
 * Returns false if one can't be used.
 */
bool	program_check_templates(const struct options *);

/*
 * Finds the program as a login would and fills path. Prints a finding if it is
 * not there, with where it was looked for, or if it was given without its
 * whole path. Returns false if it is not there.
 */
bool	program_find(const struct options *, char path[PATH_MAX]);

/*
 * Prints its findings, also of the templates. The sandbox says whose rights to
 * try it with, where nobody better is known. Returns false if the program or
 * the templates can't be used, whoever logs in.
 */
bool	program_check(const struct options *, const struct sandbox *);

#endif
