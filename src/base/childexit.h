#ifndef IMAPGATE_CHILDEXIT_H
#define IMAPGATE_CHILDEXIT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

/*
 * Logs how a child of the listener has exited ("exit"), unless its status is 0. Takes the status
 * as from waitpid(2), and the user of its session, "" if it had none.
 */
void	childexit_report(pid_t, int status, const char *user);

/*
 * Logs the end of a session ("session-end"). Takes the listener's child (0 in a keeper, whose
 * line has no pid), the user, the duration in milliseconds, and the mailbox program's status as
 * from waitpid(2). log_context() must have named the connection.
 */
void	childexit_report_session(pid_t, const char *user, int64_t ms, int status);

/* Adds status= or signal= to a line. Takes a child's status as from waitpid(2). */
void	childexit_field(struct log_line *, int status);

#endif
