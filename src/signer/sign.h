#ifndef IMAPGATE_SIGNER_SIGN_H
#define IMAPGATE_SIGNER_SIGN_H

/*
 * The server's private keys, which no other process has, and signatures with them. Under a
 * superserver a key is read at the first request for it, so a connection without TLS reads none;
 * the signer reads all keys before it enters its sandbox.
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/msg.h"
#include "config/options.h"

struct sign_keys {
	const struct options	*opts;
	EVP_PKEY		*key[OPTIONS_CERTS_MAX];	/* NULL: not loaded */
	/* Reason why the key could not be loaded; "": the key was loaded or not tried. */
	char			 failure[OPTIONS_CERTS_MAX][MSG_REASON_MAX];
};

/*
 * Loads private key number index from its PEM file, unless that was tried before. Takes the
 * SHA-256 digest of the certificate's public key (publickey.h). Returns NULL if the key belongs
 * to the certificate, or the error: file unreadable, no key in the file, or another key. An
 * encrypted key is an error, because no passphrase is ever asked for.
 */
const char	*sign_load_key(struct sign_keys *, uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN]);

/*
 * Does the same for a gate's request for a key: checks the index too, and logs "key-exposed" when
 * it loads a key file that any user can read.
 */
const char	*sign_answer_key(struct sign_keys *, uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN]);

/* Logs that private key number index can't be used ("key-fail"). */
void	sign_log_bad_key(const struct options *, uint32_t index, const char *reason);

/*
 * Signs what a TLS server signs, and nothing else: for TLS 1.3 the CertificateVerify content (RFC
 * 8446, 4.4.3), for TLS 1.2 the randoms and the ECDHE parameters of a named curve (RFC 8422,
 * 5.4).
 *
 * Fills the answer. Returns NULL if the request is allowed, even if OpenSSL then fails, with length
 * 0; or the reason why it is refused: only a compromised gate sends such a request.
 * sign_answer_key() must have succeeded for the key.
 */
const char	*sign_answer(struct sign_keys *, const struct msg_sign *, struct msg_sign_answer *);

/* Logs a refused request ("sign-refused"). */
void	sign_log_refusal(const struct msg_sign *, const char *reason);

/*
 * Wipes and frees all keys. Call it before the process executes a program or takes a user's ids.
 */
void	sign_forget(struct sign_keys *);

#endif
