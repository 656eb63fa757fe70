#ifndef IMAPGATE_CHILDEXIT_H
#define IMAPGATE_CHILDEXIT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

/*
 * Logs how a child of the listener has ended, as a superserver would know it,
 * unless it was with status 0. Takes the status as waitpid(2) gives it, and
 * whose session it was, "" if it was none.
 */
void	childexit_report(pid_t, int status, const char *user);

/*
 * Logs the end of a session (session-end): its user, how long it was, in
 * milliseconds, and the status of its mailbox program as waitpid(2) gives it.
 * log_context must say whose connection it was. The pid stands in a listener's
 * line; 0: in a keeper's it does not.
 */
void	childexit_report_session(pid_t, const char *user, int64_t ms, int status);

/* Adds status= or signal= to a line: how a child has ended, as waitpid(2) gives it. */
void	childexit_field(struct log_line *, int status);

#endif
