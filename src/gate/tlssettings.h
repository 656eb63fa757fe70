#ifndef IMAPGATE_GATE_TLSSETTINGS_H
#define IMAPGATE_GATE_TLSSETTINGS_H

#include <openssl/ssl.h>

#include "options.h"

/*
 * Applies our defaults (RFC 9325), then the settings of --tls, to a context.
 * Returns NULL, or says which of them can't be used and why: each is obeyed
 * or refused, never ignored.
 */
const char	*tls_settings(SSL_CTX *, const struct options *);

#endif
