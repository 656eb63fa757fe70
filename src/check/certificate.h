#ifndef IMAPGATE_CHECK_CERTIFICATE_H
#define IMAPGATE_CHECK_CERTIFICATE_H

/* Checks what TLS needs: certificates, their chains and keys, settings, and the CAs of clients. */

#include <stdbool.h>

#include "config/options.h"

/* Prints findings. Returns whether TLS works with at least one certificate. */
bool	certificate_check(const struct options *);

#endif
