#ifndef IMAPGATE_MONITOR_SIGN_H
#define IMAPGATE_MONITOR_SIGN_H

/*
 * The server's private keys, which exist in this process only, and the one
 * thing that is done with them. Keys are read when the first question about
 * them comes, so a connection that never speaks TLS never loads one.
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/msg.h"
#include "config/options.h"

struct sign_keys {
	const struct options	*opts;
	EVP_PKEY		*key[OPTIONS_CERTS];	/* NULL until it was asked for */
	char			 failure[OPTIONS_CERTS][MSG_REASON_MAX]; /* why it can't be loaded; "": not tried */
};

/*
 * Loads the private key number index (a PEM file, options key[index]) if it
 * is not loaded yet. Returns NULL if its public half has this digest
 * (publickey.h), or says why not: file unreadable, no key in it, or
 * key and certificate do not belong together. An encrypted key is
 * unreadable: nothing ever asks for a passphrase.
 */
const char	*sign_key_error(struct sign_keys *, uint32_t index, const uint8_t key_digest[MSG_DIGEST]);

/* The same. Logs a key that everybody can read when it is loaded. An index that does not exist is an error too. */
const char	*sign_holds(struct sign_keys *, uint32_t index, const uint8_t key_digest[MSG_DIGEST]);

/* Logs that the private key number index can't be used: key-fail. */
void	sign_report_key(const struct options *, uint32_t index, const char *reason);

/*
 * Signs what a TLS server signs and nothing else: for TLS 1.3 the
 * CertificateVerify content (RFC 8446, 4.4.3), for TLS 1.2 the client's and
 * server's random and ECDHE parameters of a named curve (RFC 8422, 5.4).
 * Answers with the signature's length, 0 if there is none. Returns why it was
 * refused, which an honest gate never causes; NULL if it was not, even if
 * OpenSSL could not make it.
 */
const char	*sign_answer(struct sign_keys *, const struct msg_sign *, struct msg_sign_answer *);

/* Logs a refusal: sign-refused. */
void	sign_report_refusal(const struct msg_sign *, const char *reason);

/* Frees and wipes all keys: they must be gone before this process is anybody else's. */
void	sign_forget(struct sign_keys *);

#endif
