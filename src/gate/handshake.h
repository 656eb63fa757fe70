#ifndef IMAPGATE_GATE_HANDSHAKE_H
#define IMAPGATE_GATE_HANDSHAKE_H

/*
 * The server's side of a TLS handshake, with a context that tls/tls.h has made.
 */

#include <stdbool.h>
#include <stddef.h>

#include "boundary/msg.h"
#include "gate/conn.h"
#include "tls/tls.h"

/* The callbacks of a context in the gate: private keys are asked for by messages, errors go to the log. Set them before handshake_accept. */
extern const struct tls_callbacks handshake_callbacks;

/*
 * Does the handshake; tls_prepare must have returned NULL before. Returns how
 * it ended; unless that is CONN_OK, error, of size octets, says why, in
 * OpenSSL's words.
 */
enum conn_end	handshake_accept(struct tls *, struct conn *, char *error, size_t size);

/* Fills in protocol, cipher and server name of the connection for the log and the mailbox program; all empty without TLS. */
void	handshake_describe(const struct conn *, struct msg_tls *);

/* Tests whether the certificate that was shown to the client has this host name (RFC 6125); false without TLS. */
bool	handshake_is_own_name(const struct conn *, const char *host);

#endif
