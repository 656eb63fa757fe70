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
 * without a slash is searched for in the absolute directories of PATH. Returns false if there is no
 * program that can be executed.
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
bool	launch_drop_groups(void);

/*
 * Makes this process undumpable (PR_SET_DUMPABLE): no core dumps, and no ptrace(2) or /proc/PID/mem
 * for other processes of its uid. Dies on failure. Call it after each change of the effective uid,
 * which resets the attribute to fs.suid_dumpable (proc(5)).
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
 * Changes to the account's uid and gid permanently. launch_join_groups() or launch_drop_groups()
 * must have been called. Dies on failure.
 */
void	launch_become(const struct account *);

/* Sends the failure reply for this tag, unless "TAG OK " has been sent. */
void	launch_send_failure(const char *tag);

/*
 * Sends the reply on descriptor 1, within ten seconds. Set more if the program's output follows at
 * once (MSG_MORE). Returns false on failure.
 */
bool	launch_send(const struct reply *, bool more);

/*
 * Becomes the user, sends the replies of --handoff and --capability-after, and executes the
 * program on descriptors 0 and 1, with err_fd as descriptor 2; an err_fd of -1 counts as a failure
 * with errno. On failure logs the cause, sends the failure reply if it still can
 * (launch_send_failure()), and returns; the caller must exit. Some failures end the process
 * (die()).
 */
void	launch_exec(const struct options *, const struct account *, const struct environment_facts *, const struct signals *,
	    int err_fd);

#endif
