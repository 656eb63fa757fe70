#ifndef IMAPGATE_TLS_CLIENTCA_H
#define IMAPGATE_TLS_CLIENTCA_H

/* The authorities of client certificates, and their revocation lists: --client-ca, --client-crl. */

#include <openssl/ssl.h>

#include "config/options.h"

/*
 * Has the server request client certificates and verify their chain, purpose, dates and, with
 * --client-crl, revocation. Returns NULL, or an error text that contains the option and the
 * file; wrong_file is set to the file.
 */
const char	*clientca_require(SSL_CTX *, const struct options *, const char **wrong_file);

#endif
