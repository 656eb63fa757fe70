#ifndef IMAPGATE_CHILDEXIT_H
#define IMAPGATE_CHILDEXIT_H

#include <sys/types.h>

#include "log.h"

/*
 * Logs how a child of the listener has ended, as a superserver would know it,
 * unless it was with status 0. Takes the status as waitpid(2) gives it, and
 * whose session it was, "" if it was none.
 */
void	childexit_report(pid_t, int status, const char *user);

/* Adds status= or signal= to a line: how a child has ended, as waitpid(2) gives it. */
void	childexit_field(struct log_line *, int status);

#endif
