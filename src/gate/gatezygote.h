#ifndef IMAPGATE_GATE_GATEZYGOTE_H
#define IMAPGATE_GATE_GATEZYGOTE_H

/*
 * The gate zygote, which forks a listener's gates. The zygote loads OpenSSL, parses the
 * certificates, and enters a sandbox before the first client connects. The listener replaces the
 * zygote when a certificate changes. The zygote holds no private key and is not the gates' monitor.
 */

#include "config/options.h"

/*
 * Loads the certificates, sends MSG_READY on ROLE_CONTROL, and forks a gate for each
 * MSG_SPAWN_GATE until the listener closes ROLE_CONTROL. If no certificate works, sends
 * MSG_READY with failed set and the reason, and exits.
 */
void	gatezygote_run(const struct options *) __attribute__((noreturn));

#endif
