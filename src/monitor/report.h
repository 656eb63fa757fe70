#ifndef IMAPGATE_MONITOR_REPORT_H
#define IMAPGATE_MONITOR_REPORT_H

/* The monitor's lines in the log, each event in one place: their form is a promise (see the manual, LOGS). */

#include "base/log.h"
#include "monitor/authorize.h"
#include "boundary/msg.h"
#include "config/options.h"

/* auth-ok or auth-fail: user is who it became, or who the client said it was; attempt counts this connection's. */
void	report_login(const struct msg_login *, const struct pamauth_verdict *, const char *user, unsigned attempt);

/* handoff; bug() if how and why are no words of login.h. */
void	report_handoff(const struct options *, const struct account *, enum msg_transport, enum ktls_obstacle);

/* session-fail, to be written later: a PAM session that could not be closed, and in a word why. */
void	report_session_failure(struct log_line *, const struct account *, const char *reason);

/*
 * program-end: the mailbox program of this account has ended so (a status of
 * waitpid(2)), and has written nothing, or nobody knows what.
 */
void	report_program_end(const struct account *, int status, enum program_output);

/* The lines for a deadline that finds the monitor hanging, in a step of a login (NULL: not known) or waiting for the gate; a signal handler will write them. */
void	report_login_timeout(struct log_line *, const struct msg_login *, unsigned attempt, const char *step);
void	report_end_timeout(struct log_line *, const char *reason);

#endif
