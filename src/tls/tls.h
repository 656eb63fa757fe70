#ifndef IMAPGATE_TLS_TLS_H
#define IMAPGATE_TLS_TLS_H

/*
 * TLS as a server: certificates, defaults of RFC 9325, and settings of --tls by OpenSSL's names.
 * tls_load() runs once and before a fork, because it takes most of the time and loads public data
 * only; the process that will sign then has OpenSSL loaded too. tls_prepare() later asks whether
 * the private keys can be used.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

#include "boundary/msg.h"
#include "config/options.h"
#include "tls/remotekey.h"

/* A certificate, its chain, and its key in another process. */
struct tls_certificate {
	X509			*cert;
	EVP_PKEY		*key;
	STACK_OF(X509)		*chain;
	uint32_t		 index;			/* in the order of --cert */
	uint8_t			 key_digest[MSG_DIGEST_LEN];	/* of the public key (publickey.h) */
};

/* Callbacks of an SSL_CTX: confirm a private key, sign, report an error. */
struct tls_callbacks {
	bool		(*has_key)(uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN]);
	remotekey_sign	*sign;
	void		(*report_error)(const char *file, const char *error);	/* of one certificate */
};

struct tls {
	const struct options		*opts;
	const struct tls_callbacks	*callbacks;
	bool				 possible;	/* at least one certificate file could be read */
	struct tls_certificate		 certificate[OPTIONS_CERTS_MAX];
	size_t				 certificates;	/* number of usable ones */
	SSL_CTX				*ctx;		/* NULL: not made, or TLS is not possible */
	const char			*error;		/* error that makes TLS impossible; NULL: none so far */
	const char			*error_file;	/* file with that error; NULL: none, or several */
	bool				 confirmed;	/* has_key was called for every certificate */
};

/*
 * Loads the certificates and makes the context with all settings. Reports certificates that can't
 * be used, and leaves them out. If no certificate is left, or a setting fails, sets error.
 */
void	tls_load(struct tls *, const struct options *, const struct tls_callbacks *);

/*
 * Asks has_key for each private key, in the first call only. Reports certificates without a key,
 * and leaves them out. Returns NULL, or an error text for the log if TLS is not possible.
 * tls_load() must have been called.
 */
const char	*tls_prepare(struct tls *);

/*
 * Connects client and server by a pair of memory BIOs and does the handshake. Returns false if one
 * of them is NULL or the handshake fails; OpenSSL's error queue then has the cause.
 */
bool	tls_connect_in_memory(SSL *client, SSL *server);

/*
 * Tests settings, certificate and key together, by a handshake in memory with a client that
 * verifies nothing, and so initializes OpenSSL for handshakes before a fork. Returns whether the
 * handshake succeeded. tls_prepare() must have returned NULL.
 */
bool	tls_self_test(const struct tls *);

/* Frees certificates and context, and clears the struct. */
void	tls_free(struct tls *);

#endif
