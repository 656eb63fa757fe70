#ifndef IMAPGATE_SIGNER_SIGNER_H
#define IMAPGATE_SIGNER_SIGNER_H

/*
 * The process that has a listener's private keys, and does nothing but sign.
 * It reads the files itself, as root, and is in the sandbox before the first
 * client comes. New files are read by a new one; this one lives until its
 * zygote is gone and each connection's pair was used or closed.
 */

#include "config/options.h"

/*
 * Makes all keys ready, says MSG_READY on ROLE_CONTROL, and answers: MSG_KEY
 * of the gate zygote on ROLE_SIGNING, and one MSG_SIGN on each pair that comes
 * from there. SECURITY: the second one on a pair has nobody who answers it,
 * whatever the gate.
 */
void	signer_run(const struct options *) __attribute__((noreturn));

#endif
