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
#include "gate/remotekey.h"
#include "msg.h"
#include "options.h"

/* A certificate that can be shown, its chain, and the key that is the monitor's. */
struct tls_identity {
	X509			*cert;
	EVP_PKEY		*key;
	STACK_OF(X509)		*chain;
};

/* Whom the maker of a context asks for private keys, and whom it tells what is wrong. */
struct tls_maker {
	bool		(*has_key)(uint32_t index, const uint8_t spki[MSG_DIGEST]);
	remotekey_sign	*sign;
	void		(*complain)(const char *file, const char *wrong);
};

/* The gate's: it is the monitor for all. Who takes over a context that another has made, puts it there. */
extern const struct tls_maker tls_gate;

struct tls {
	const struct options	*opts;
	const struct tls_maker	*maker;
	bool			 possible;		/* there is a certificate, and it could be read */
	BIO			*pem[OPTIONS_CERTS];	/* the chain files, read into memory; NULL if that failed or they are parsed */
	struct tls_identity	 identity[OPTIONS_CERTS];
	size_t			 identities;		/* of them usable */
	SSL_CTX			*ctx;			/* NULL until it was needed */
};

/*
 * Reads the certificate files; the log says which can't be read. A setting
 * that names a file of its own makes the context now.
 */
void	tls_load(struct tls *, const struct options *, const struct tls_maker *);

/*
 * Makes sure of the context: certificates parsed, settings applied, each
 * private key found with the monitor. Certificates that can't be used are
 * logged and left out. Returns NULL, or a text for the log; then TLS is no
 * longer possible.
 */
const char	*tls_prepare(struct tls *);

/* Applies our defaults, then the settings of --tls, to a context. Returns NULL, or says which of them can't be used. */
const char	*tls_settings(SSL_CTX *, const struct options *);

/* The SHA-256 of a certificate's SubjectPublicKeyInfo, which names its key. False if it has none that can be used. */
bool	tls_digest_key(X509 *, uint8_t spki[MSG_DIGEST]);

/*
 * Shakes hands with itself, for the listener: it proves that clients can, and
 * what OpenSSL sets up when it is first used, all gates have then. Returns
 * NULL, or what is wrong.
 */
const char	*tls_rehearse(struct tls *);

/* Frees all of it; for the listener, when there are newer certificates. */
void	tls_free(struct tls *);

/* The handshake. Returns how it ended; error, of size octets, says why it failed in OpenSSL's words. */
enum conn_end	tls_accept(struct tls *, struct conn *, char *error, size_t size);

/* What the log and the mailbox program may know of the connection's TLS. */
void	tls_describe(const struct conn *, struct msg_tls *);

/* Is this a name of the certificate that was shown to the client? */
bool	tls_is_ours(const struct conn *, const char *host);

#endif
