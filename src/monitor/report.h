#ifndef IMAPGATE_MONITOR_REPORT_H
#define IMAPGATE_MONITOR_REPORT_H

/* The monitor's lines in the log, each event in one place: their form is a promise (see the manual, LOGS). */

#include "log.h"
#include "monitor/admission.h"
#include "msg.h"
#include "options.h"

/* auth-ok or auth-fail: user is who it became, or who the client said it was; attempt counts this connection's. */
void	report_login(const struct msg_login *, const struct pamauth_verdict *, const char *user, unsigned attempt);

/* handoff; bug() if how and why are no words of msg.h. */
void	report_handoff(const struct options *, const struct account *, enum msg_how, enum msg_why);

/* session-fail, to be written later: a PAM session that could not be closed, and in a word why. */
void	report_session_failure(struct log_line *, const struct account *, const char *reason);

/*
 * program-end: the mailbox program of this account has ended so (a status of
 * waitpid(2)), and has written nothing, or nobody knows what.
 */
void	report_program_end(const struct account *, int status, enum msg_said);

/* tls-fail: text is OpenSSL's, or the gate's. Takes for how many such lines this one stands (board_count_line); 0: it is not written. */
void	report_tls_failure(const char *text, unsigned times);

/* auth-refused: a login that the gate has refused without asking; bug() if it names no mechanism. Takes times as above. */
void	report_auth_refused(const struct msg_log *, unsigned times);

/* end, as the gate tells it; bug() if it gives no known reason. Takes times as above. */
void	report_end(const struct msg_log *, unsigned times);

/* Returns times for the end of a connection with so many attempts: ends are joined where nothing was asked. */
unsigned	report_count_end(const struct msg_log *, const struct board_seat *, const struct peer *, unsigned attempts);

/* end of a gate that told nothing: with this exit status. */
void	report_gate_died(int status);

/* error or bug: the last words of the gate's die() or bug(). */
void	report_gate_failure(int priority, const char *event, const char *text);

/* Every line from here on says which TLS it is. bug() if these are no names of OpenSSL's. */
void	report_tls(const struct msg_tls *);

/* The lines for a deadline that finds the monitor hanging, in a step of a login (NULL: not known) or waiting for the gate; a signal handler will write them. */
void	report_login_late(struct log_line *, const struct msg_login *, unsigned attempt, const char *step);
void	report_end_late(struct log_line *, const char *reason);

#endif
