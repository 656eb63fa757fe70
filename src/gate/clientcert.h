#ifndef IMAPGATE_GATE_CLIENTCERT_H
#define IMAPGATE_GATE_CLIENTCERT_H

/*
 * The user that a client's certificate names. A name that is missing, repeated, too long or
 * malformed names no user.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

#include "boundary/msg.h"
#include "config/options.h"

/*
 * Fills user with the user that the client's certificate names in this field. Returns false if
 * the client sent no certificate that verified, or if the certificate does not name exactly one
 * user. Must be called after the handshake.
 */
bool	clientcert_get_user(SSL *, enum cert_user, char user[MSG_NAME_MAX]);

#endif
