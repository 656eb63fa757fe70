#ifndef IMAPGATE_CHECK_PROGRAM_H
#define IMAPGATE_CHECK_PROGRAM_H

/* Checks the mailbox program: is it there, may others than root execute it, and can its arguments be made? */

#include "gate/sandbox.h"
#include "options.h"

/* Prints its findings. The sandbox says whose rights to try it with, where nobody better is known. */
void	program_check(const struct options *, const struct sandbox *);

#endif
