#ifndef IMAPGATE_GATE_TLSSETTINGS_H
#define IMAPGATE_GATE_TLSSETTINGS_H

#include <openssl/ssl.h>

#include "config/options.h"

/*
 * Applies our defaults (RFC 9325), then the settings of --tls, to a context.
 * Returns NULL, or says which of them can't be used and why: each is obeyed
 * or refused, never ignored.
 */
const char	*tls_settings(SSL_CTX *, const struct options *);

/*
 * Asks OpenSSL whether it would show this certificate with the context's
 * settings: keys and hashes that are too weak for its security level
 * (SSL_CTX_set_security_level(3)) it refuses, but only when a client is there.
 * The chain may be NULL. Returns NULL, or plain words that stay until the
 * next call.
 */
const char	*tls_certificate_error(SSL_CTX *, X509 *, EVP_PKEY *, STACK_OF(X509) *chain);

#endif
