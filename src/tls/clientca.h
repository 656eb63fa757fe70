#ifndef IMAPGATE_TLS_CLIENTCA_H
#define IMAPGATE_TLS_CLIENTCA_H

/* The authorities of client certificates, and their revocation lists: --client-ca, --client-crl. */

#include <openssl/ssl.h>

#include "config/options.h"

/*
 * Makes the server request client certificates and verify their chain, purpose, dates and, with
 * --client-crl, revocation. Returns NULL; or an error text with the option and the file, and sets
 * error_file to the file.
 */
const char	*clientca_request(SSL_CTX *, const struct options *, const char **error_file);

#endif
