#ifndef IMAPGATE_ROLE_H
#define IMAPGATE_ROLE_H

/*
 * The processes that a listener has for all connections together. Each is
 * this program executed anew, so it has its own address layout and nothing
 * of the listener's memory, and is told only those settings that it needs.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/signals.h"
#include "config/options.h"

/* The descriptors of such a process. 0 and 1 lead nowhere, 2 is what the mailbox program may have. */
#define ROLE_LOG	3
#define ROLE_CONTROL	4	/* the listener's pair (boundary/spawn.h) */
#define ROLE_SETTINGS	5	/* words, each ending in NUL */
#define ROLE_SIGNING	6	/* between gate zygote and signer (boundary/sign.h) */

/*
 * Starts one. Takes the role's end of the listener's pair, and of that between
 * gate zygote and signer (-1: there is none); both stay open here. Signals
 * are set as they were found. Returns the process id, or -1 with errno.
 */
pid_t	role_start(enum role, int control, int signing, const struct signals *);

/* Is this argv[0] that of a role? Then fills which. */
bool	role_is(const char *name, enum role *);

/*
 * The first that a role does: takes over the log, and fills the options. Exits
 * with EX_USAGE if it was not the listener that has started this process.
 */
void	role_begin(char *argv[], struct options *);

#endif
