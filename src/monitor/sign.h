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

#include "msg.h"
#include "options.h"

struct sign_keys {
	const struct options	*opts;
	EVP_PKEY		*key[OPTIONS_CERTS];	/* NULL until it was asked for */
};

/*
 * Loads the private key number index (a PEM file, options key[index]) if it
 * is not loaded yet. Returns NULL if its public half has this digest
 * (publickey.h), or says why not: file unreadable, no key in it, or
 * key and certificate do not belong together. An encrypted key is
 * unreadable: nothing ever asks for a passphrase.
 */
const char	*sign_objection(struct sign_keys *, uint32_t index, const uint8_t key_digest[MSG_DIGEST]);

/* The same for the gate: true if there is no objection, else it is logged, as is a key that everybody can read. */
bool	sign_holds(struct sign_keys *, uint32_t index, const uint8_t key_digest[MSG_DIGEST]);

/*
 * Signs what a TLS server signs and nothing else: for TLS 1.3 the
 * CertificateVerify content (RFC 8446, 4.4.3), for TLS 1.2 the client's and
 * server's random and ECDHE parameters of a named curve (RFC 8422, 5.4).
 * Answers with the signature's length, 0 if it was refused; a refusal is
 * logged, since an honest gate never causes one.
 */
void	sign_answer(struct sign_keys *, const struct msg_sign *, struct msg_sign_answer *);

/* Frees and wipes all keys: they must be gone before this process is anybody else's. */
void	sign_forget(struct sign_keys *);

#endif
