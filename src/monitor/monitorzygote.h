#ifndef IMAPGATE_MONITOR_MONITORZYGOTE_H
#define IMAPGATE_MONITOR_MONITORZYGOTE_H

/*
 * The process from which a listener's monitors are forked: PAM and the C
 * library's name services are loaded in it. It is root, has no client, and
 * hears of nobody but the listener.
 */

#include "config/options.h"

/* Makes all of it ready, says MSG_READY on ROLE_CONTROL, and forks a monitor for each message there until the listener closes that. */
void	monitorzygote_run(const struct options *) __attribute__((noreturn));

#endif
