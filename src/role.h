#ifndef IMAPGATE_ROLE_H
#define IMAPGATE_ROLE_H

/*
 * The processes that serve all connections of a listener: gate zygote, signer and monitor zygote.
 * Each executes this program anew, so it has its own address layout, nothing of the listener's
 * memory, and only the settings that it needs.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/signals.h"
#include "config/options.h"

/*
 * Descriptors of a role. 0 to 2 are the listener's: 0 and 1 unused, 2 for mailbox programs
 * (log_stream()).
 */
#define ROLE_LOG	3
#define ROLE_CONTROL	4	/* the listener's pair (boundary/spawn.h) */
#define ROLE_SETTINGS	5	/* arguments, each ending in NUL */
#define ROLE_SIGNING	6	/* pair of gate zygote and signer (boundary/sign.h) */

/*
 * Starts a role. Takes its end of the listener's pair, and of the pair of gate zygote and signer
 * (-1: none), which both stay open here; and the signal settings that it gets. Returns its pid,
 * or -1 with errno.
 */
pid_t	role_start(enum role, int control, int signing, const struct signals *);

/* Returns whether an argv[0] is the name of a role, and stores the role. */
bool	role_is(const char *name, enum role *);

/*
 * Imports the log and fills the options; the first call in a role. Exits with EX_USAGE if the
 * arguments are not the listener's. Dies if the settings can't be read.
 */
void	role_begin(char *argv[], struct options *);

/*
 * Puts /dev/null on descriptors 0 to 2, which are the listener's, and closes ROLE_LOG. A role
 * without privileges calls it before it enters its sandbox. Dies if there is no /dev/null.
 */
void	role_close_log(void);

#endif
