#ifndef IMAPGATE_MONITOR_MONITORZYGOTE_H
#define IMAPGATE_MONITOR_MONITORZYGOTE_H

/*
 * The monitor zygote, from which a listener's monitors are forked: PAM's modules, OpenSSL and
 * the C library's name services are loaded in it. The zygote runs as root, has no client, and
 * receives from the listener only.
 */

#include "config/options.h"

/*
 * Loads the libraries, sends MSG_READY on ROLE_CONTROL, and forks a monitor for each message
 * there until the listener closes it.
 */
void	monitorzygote_run(const struct options *) __attribute__((noreturn));

#endif
