#ifndef IMAPGATE_MONITOR_LAUNCH_H
#define IMAPGATE_MONITOR_LAUNCH_H

/*
 * Becoming the user and starting the mailbox program. What can fail is tried
 * before the client hears that it is logged in.
 */

#include <limits.h>

#include "base/signals.h"
#include "monitor/account.h"
#include "monitor/environment.h"
#include "config/options.h"
#include "proto/reply.h"

/* Finds PROGRAM, by PATH if its name has no slash (execvp(3)), as an absolute path: programs look at argv[0]. False if there is none. */
bool	launch_find(const struct options *, char path[PATH_MAX]);

/* Sets the account's groups, which PAM modules may add to (pam_setcred(3)); nothing if we are not root. False if that can't be. */
bool	launch_join_groups(const struct account *);

/* Gives up all supplementary groups; nothing if we are not root. False if that can't be. For a process that opens no file as the user. */
bool	launch_leave_groups(void);

/*
 * Forbids cores of this process, and ptrace(2) and /proc/PID/mem to others of
 * its uid. Dies if that can't be done. To be called after each change of the
 * effective uid, which undoes it where fs.suid_dumpable says so (proc(5)).
 */
void	launch_forbid_dumps(void);

/*
 * Tries as the user what starting the program needs. PAM's session must be
 * open, since modules make or mount homes. Returns NULL, or in a word what
 * will fail: "home", "program", "arguments", "environment", "uid"; behind
 * "home", "program" and "uid" errno says why, or is 0. Stays root.
 */
const char	*launch_preflight(const struct options *, const struct account *);

/*
 * Takes the account's uid and gid for good. The groups must be set already
 * (launch_join_groups, to which PAM may have added some, or
 * launch_leave_groups). Dies at the first step that fails.
 */
void	launch_become(const struct account *);

/* Tells the client that its mailbox can't be opened, unless the start of its OK is out already. */
void	launch_send_failure(const char *tag);

/*
 * Writes to the client on descriptor 1, for ten seconds at the most; false
 * if it did not take it. More says that the program's own words follow at
 * once, in the same segment if the kernel can.
 */
bool	launch_send(const struct reply *, bool more);

/*
 * Becomes the user, says what --handoff and --capability-after want said on
 * descriptor 1, and runs the program on descriptors 0 and 1, with
 * err_fd as 2 (-1: there is none, which is a failure). Returns only if that can't be done, after the client was told; the caller can but exit.
 */
void	launch_exec(const struct options *, const struct account *, const struct environment_facts *, const struct signals *,
	    int err_fd);

#endif
