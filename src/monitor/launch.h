#ifndef IMAPGATE_MONITOR_LAUNCH_H
#define IMAPGATE_MONITOR_LAUNCH_H

/*
 * Becomes the user and starts the mailbox program. Steps that can fail are tried before the
 * client gets OK.
 */

#include <limits.h>

#include "base/signals.h"
#include "config/options.h"
#include "monitor/account.h"
#include "monitor/environment.h"
#include "proto/reply.h"

/*
 * Finds the mailbox program and fills its absolute path, since programs look at argv[0]. A name
 * without a slash is searched in PATH (execvp(3)). Returns false if there is none that can be
 * executed.
 */
bool	launch_find(const struct options *, char path[PATH_MAX]);

/*
 * Sets the account's gid and groups; pam_setcred(3) may add more. Does nothing without root.
 * Returns false with errno on failure.
 */
bool	launch_join_groups(const struct account *);

/*
 * Drops all supplementary groups, for a process that opens no file as the user. Does nothing
 * without root. Returns false with errno on failure.
 */
bool	launch_leave_groups(void);

/*
 * Forbids core dumps, and ptrace(2) and /proc/PID/mem to processes of the same uid. Dies on
 * failure. Call it after each change of the effective uid, which resets this to fs.suid_dumpable
 * (proc(5)).
 */
void	launch_forbid_dumps(void);

/*
 * Tests as the user whether the program can be started, and becomes root again. PAM's session
 * must be open, because modules may create or mount homes. Returns NULL, or what will fail:
 * "home", "program", "arguments", "environment" or "uid". After "home", "program" and "uid"
 * errno has the cause, or is 0.
 */
const char	*launch_preflight(const struct options *, const struct account *);

/*
 * Changes to the account's uid and gid for good. launch_join_groups() or launch_leave_groups()
 * must have been called. Dies on failure.
 */
void	launch_become(const struct account *);

/* Sends the failure reply for this tag, unless "TAG OK " has been sent. */
void	launch_send_failure(const char *tag);

/*
 * Sends the reply on descriptor 1, within ten seconds. more means that the program's output
 * follows at once, so that the kernel may join the two in a segment. Returns false on failure.
 */
bool	launch_send(const struct reply *, bool more);

/*
 * Becomes the user, sends the replies of --handoff and --capability-after, and executes the
 * program on descriptors 0 and 1, with err_fd as 2 (-1 is a failure). Returns only on failure,
 * with the failure reply sent; the caller must exit.
 */
void	launch_exec(const struct options *, const struct account *, const struct environment_facts *, const struct signals *,
	    int err_fd);

#endif
