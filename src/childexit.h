#ifndef IMAPGATE_CHILDEXIT_H
#define IMAPGATE_CHILDEXIT_H

#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "log.h"

/*
 * Logs how a child of the listener has ended: session-end if its client was
 * logged in, and exit, as a superserver would know it, unless the status is 0.
 * Takes the status as waitpid(2) gives it, and what board_find has found.
 */
void	childexit_report(pid_t, int status, const struct board_client *);

/*
 * Logs the end of a session (session-end): its user, how long it was, in
 * milliseconds, and the status of its mailbox program as waitpid(2) gives it.
 * Address and pid stand in the line if log_context has not set an address
 * (a listener's line), NULL and 0 if it has (a keeper's).
 */
void	childexit_report_session(const char *address, pid_t, const char *user, int64_t ms, int status);

/* Adds status= or signal= to a line: how a child has ended, as waitpid(2) gives it. */
void	childexit_field(struct log_line *, int status);

#endif
