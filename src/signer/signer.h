#ifndef IMAPGATE_SIGNER_SIGNER_H
#define IMAPGATE_SIGNER_SIGNER_H

/*
 * The process that has a listener's private keys, and only signs. The signer reads the key files
 * as root and enters the sandbox before the first client. Changed files are read by a new signer;
 * the old one exits when its zygote has exited and all pairs are used or closed.
 */

#include "config/options.h"

/*
 * Reads all keys, enters the sandbox, sends MSG_READY on ROLE_CONTROL, and answers: MSG_KEY of
 * the gate zygote on ROLE_SIGNING, and MSG_SIGN on the pairs that the zygote passes.
 *
 * SECURITY: each pair is closed after one request, whatever the gate sends.
 */
void	signer_run(const struct options *) __attribute__((noreturn));

#endif
