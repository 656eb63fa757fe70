#ifndef IMAPGATE_CHECK_HOST_H
#define IMAPGATE_CHECK_HOST_H

/*
 * Checks of this host: the gate's user and root directory, the sandbox, kernel TLS, and the log.
 */

#include "config/options.h"
#include "sandbox.h"

/* Prints findings. Fills sandbox with the gate's ids, or 0 if there is no such user. */
void	host_check(const struct options *, struct sandbox *);

#endif
