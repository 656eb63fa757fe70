#ifndef IMAPGATE_TLS_TLSSETTINGS_H
#define IMAPGATE_TLS_TLSSETTINGS_H

#include <openssl/ssl.h>

#include "config/options.h"

/*
 * Applies our defaults (RFC 9325), then the settings of --tls, to a context. Returns NULL, or an
 * error text with the setting and the reason. No setting is ignored.
 */
const char	*tls_settings(SSL_CTX *, const struct options *);

/*
 * Asks OpenSSL whether it accepts this certificate with the context's settings; keys and hashes
 * too weak for its security level (SSL_CTX_set_security_level(3)) would else be refused only in
 * a handshake. chain may be NULL. Returns NULL, or a text that is valid until the next call.
 */
const char	*tls_certificate_error(SSL_CTX *, X509 *, EVP_PKEY *, STACK_OF(X509) *chain);

#endif
