#ifndef IMAPGATE_GATE_HANDSHAKE_H
#define IMAPGATE_GATE_HANDSHAKE_H

/* The server's side of a TLS handshake, with a context of tls/tls.h. */

#include <stdbool.h>
#include <stddef.h>

#include "boundary/msg.h"
#include "gate/conn.h"
#include "tls/tls.h"

/*
 * Callbacks of a context in the gate: they ask about private keys and log errors by messages. Must
 * be set before handshake_accept() is called.
 */
extern const struct tls_callbacks handshake_callbacks;

/*
 * Does the handshake. Returns CONN_OK; or the kind of failure, and writes OpenSSL's reason to
 * error, which has size octets. tls_prepare() must have returned NULL.
 */
enum conn_end	handshake_accept(struct tls *, struct conn *, char *error, size_t size);

/* Fills protocol, cipher and server name of the connection. All are empty without TLS. */
void	handshake_describe(const struct conn *, struct msg_tls *);

/*
 * Returns whether the certificate that was sent to the client has this host name (RFC 6125); false
 * without TLS.
 */
bool	handshake_is_own_name(const struct conn *, const char *host);

#endif
