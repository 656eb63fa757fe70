#ifndef IMAPGATE_TLS_TLSSETTINGS_H
#define IMAPGATE_TLS_TLSSETTINGS_H

#include <openssl/ssl.h>

#include "config/options.h"

/*
 * Applies our defaults (RFC 9325), then the settings of --tls, to a context. Ignores no setting.
 * Returns NULL, or an error text with the setting and the reason.
 */
const char	*tls_apply_settings(SSL_CTX *, const struct options *);

/*
 * Asks OpenSSL whether the context's settings permit this certificate. Otherwise OpenSSL would
 * refuse keys and hashes that are too weak for its security level (SSL_CTX_set_security_level(3))
 * only in a handshake. chain may be NULL. Returns NULL, or an error text that is valid until the
 * next call.
 */
const char	*tls_certificate_error(SSL_CTX *, X509 *, EVP_PKEY *, STACK_OF(X509) *chain);

#endif
