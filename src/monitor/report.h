#ifndef IMAPGATE_MONITOR_REPORT_H
#define IMAPGATE_MONITOR_REPORT_H

/* Log lines of the monitor; their format is documented (see the manual, LOGS). */

#include "base/log.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "monitor/authorize.h"

/*
 * Logs auth-ok or auth-fail. user is the account after success, else the name that the client
 * sent; attempt counts the connection's logins.
 */
void	report_login(const struct msg_login *, const struct pamauth_result *, const char *user, unsigned attempt);

/* Logs handoff. Calls bug() if transport or obstacle is not in login.h. */
void	report_handoff(const struct options *, const struct account *, enum msg_transport, enum ktls_obstacle);

/*
 * Fills a session-fail line, which the caller writes: a PAM session could not be closed, for
 * this reason.
 */
void	report_session_failure(struct log_line *, const struct account *, const char *reason);

/*
 * Logs program-end: the mailbox program exited with this status (waitpid(2)) and wrote nothing,
 * or its output is unknown.
 */
void	report_program_end(const struct account *, int status, enum program_output);

/*
 * Fill the lines that a signal handler writes if the deadline finds the monitor hanging: in this
 * step of a login (NULL: unknown), or for another reason.
 */
void	report_login_timeout(struct log_line *, const struct msg_login *, unsigned attempt, const char *step);
void	report_end_timeout(struct log_line *, const char *reason);

#endif
