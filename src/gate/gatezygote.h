#ifndef IMAPGATE_GATE_GATEZYGOTE_H
#define IMAPGATE_GATE_GATEZYGOTE_H

/*
 * The process from which a listener's gates are forked: OpenSSL is warm in it
 * and certificates are parsed, and it is in the sandbox before the first
 * client comes. It lives for one generation of certificates, has no secret,
 * and is no process's monitor.
 */

#include "config/options.h"

/*
 * Makes all of it ready, says MSG_READY on ROLE_CONTROL, and forks a gate for
 * each MSG_SPAWN_GATE until the listener closes that. Dies with EX_CONFIG if
 * no certificate works, before the sandbox: then the log says why.
 */
void	gatezygote_run(const struct options *) __attribute__((noreturn));

#endif
