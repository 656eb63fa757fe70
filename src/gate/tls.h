#ifndef IMAPGATE_GATE_TLS_H
#define IMAPGATE_GATE_TLS_H

/*
 * The server's side of TLS: certificates, defaults of RFC 9325, and settings
 * by OpenSSL's own names. Certificate files are read while there are files;
 * the context is made when TLS is wanted, since most of what TLS costs a
 * process is setting it up.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

#include "gate/conn.h"
#include "msg.h"
#include "options.h"

struct tls {
	const struct options	*opts;
	bool			 possible;		/* there are certificates, and they could be read */
	BIO			*pem[OPTIONS_CERTS];	/* the chain files, read into memory */
	SSL_CTX			*ctx;			/* NULL until it was needed */
};

/*
 * Reads the certificate files. If one can't be read TLS is not possible, and
 * the log says why. A setting that names a file makes the context now.
 */
void	tls_load(struct tls *, const struct options *);

/*
 * Makes sure of the context: certificates parsed, settings applied, each
 * private key found with the monitor. Returns NULL, or a text for the log.
 * After a failure TLS is no longer possible.
 */
const char	*tls_prepare(struct tls *);

/* The handshake. Returns how it ended; error, of size octets, says why it failed in OpenSSL's words. */
enum conn_end	tls_accept(struct tls *, struct conn *, char *error, size_t size);

/* What the log and the mailbox program may know of the connection's TLS. */
void	tls_describe(const struct conn *, struct msg_tls *);

#endif
