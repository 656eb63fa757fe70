#ifndef IMAPGATE_GATE_CLIENTCERT_H
#define IMAPGATE_GATE_CLIENTCERT_H

/*
 * Who a client is by its certificate. Whatever is missing, doubled, too long
 * or strange in it is nobody.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

#include "boundary/msg.h"
#include "config/options.h"

/*
 * Have client certificates asked for and verified: chain, purpose, dates, and
 * revocation if there is a list. Returns NULL, or what is wrong, with the
 * option and the file, which is put into wrong_file too.
 */
const char	*clientcert_require(SSL_CTX *, const struct options *, const char **wrong_file);

/*
 * After the handshake: puts the user whom the certificate names
 * into user. False if the client showed none that verified, or it does not
 * name exactly one.
 */
bool	clientcert_user(SSL *, enum cert_user, char user[MSG_NAME_MAX]);

#endif
