#ifndef IMAPGATE_CHECK_HOST_H
#define IMAPGATE_CHECK_HOST_H

/* Checks what this host has to have: the gate's user, its root directory, the sandbox, kernel TLS, a log. */

#include "sandbox.h"
#include "config/options.h"

/* Prints its findings, and fills sandbox with the gate's ids: 0 where there is no such user. */
void	host_check(const struct options *, struct sandbox *);

#endif
