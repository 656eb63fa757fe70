#ifndef IMAPGATE_GATE_TLS_H
#define IMAPGATE_GATE_TLS_H

/*
 * The server's side of TLS: certificates, defaults of RFC 9325, and settings
 * by OpenSSL's own names. Most of what TLS costs a process is setting it up,
 * so that is done when TLS is wanted, and before the gate is born: what it
 * makes is public, and the monitor's OpenSSL is warm then too. Only the
 * question who has the private keys is the gate's.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

#include "gate/conn.h"
#include "gate/remotekey.h"
#include "boundary/msg.h"
#include "config/options.h"

/* A certificate that can be shown, its chain, and the key that is the monitor's. */
struct tls_certificate {
	X509			*cert;
	EVP_PKEY		*key;
	STACK_OF(X509)		*chain;
	uint32_t		 index;			/* in the order of --cert */
	uint8_t			 key_digest[MSG_DIGEST];	/* of its public key (publickey.h) */
};

/* Whom the maker of a context asks for private keys, and whom it tells what is wrong. */
struct tls_callbacks {
	bool		(*has_key)(uint32_t index, const uint8_t key_digest[MSG_DIGEST]);
	remotekey_sign	*sign;
	void		(*report_error)(const char *file, const char *wrong);	/* file is NULL where it is no single file's fault */
};

/* The gate's: it is the monitor for all. Who takes over a context that another has made, puts it there. */
extern const struct tls_callbacks tls_gate;

struct tls {
	const struct options		*opts;
	const struct tls_callbacks	*callbacks;
	bool				 possible;	/* there is a certificate, and it can be read */
	struct tls_certificate		 certificate[OPTIONS_CERTS];
	size_t				 certificates;	/* of them usable */
	SSL_CTX				*ctx;		/* NULL: not yet, or not possible */
	const char			*wrong;		/* why TLS is not possible, once that is known */
	const char			*wrong_file;	/* the file that is about, NULL: none, or several */
	bool				 confirmed;	/* whoever has the keys was asked for all of them */
};

/*
 * Reads the certificate files and makes the context: certificates parsed,
 * settings applied. What can't be used is logged and left out. If nothing is
 * left, TLS is not possible.
 */
void	tls_load(struct tls *, const struct options *, const struct tls_callbacks *);

/*
 * Makes sure of the private keys: whoever has them is asked for each.
 * Certificates without a key are logged and left out. Returns NULL, or a text
 * for the log: why TLS is not possible.
 */
const char	*tls_prepare(struct tls *);

/*
 * Connects the two over a pair of memory BIOs and handshakes. Returns false if
 * one of them is NULL or the handshake fails; OpenSSL's error queue then says why.
 */
bool	tls_connect_in_memory(SSL *client, SSL *server);

/*
 * Handshakes in memory with a client that verifies nothing. It proves that
 * the settings, a certificate and its key work together, and makes OpenSSL
 * set up once, before a fork, what each handshake needs. Returns true if the
 * handshake came to its end. tls_prepare must have returned NULL before.
 */
bool	tls_self_test(const struct tls *);

/* Frees all of it; for the listener, when there are newer certificates. */
void	tls_free(struct tls *);

/* The handshake. Returns how it ended; error, of size octets, says why it failed in OpenSSL's words. */
enum conn_end	tls_accept(struct tls *, struct conn *, char *error, size_t size);

/* What the log and the mailbox program may know of the connection's TLS. */
void	tls_describe(const struct conn *, struct msg_tls *);

/* Is this a name of the certificate that was shown to the client? */
bool	tls_is_ours(const struct conn *, const char *host);

#endif
