#ifndef IMAPGATE_CHECK_CERTIFICATE_H
#define IMAPGATE_CHECK_CERTIFICATE_H

/* Checks what TLS needs: certificates, their chains and keys, settings, and the authorities of clients. */

#include <stdbool.h>

#include "config/options.h"

/* Prints its findings. True if TLS will work with one of the certificates. */
bool	certificate_check(const struct options *);

#endif
