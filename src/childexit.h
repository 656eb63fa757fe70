#ifndef IMAPGATE_CHILDEXIT_H
#define IMAPGATE_CHILDEXIT_H

#include <sys/types.h>

/*
 * Logs how a child of the listener has ended, as a superserver would know it,
 * unless it was with status 0. Takes the status as waitpid(2) gives it.
 */
void	childexit_report(pid_t, int status);

#endif
