#ifndef IMAPGATE_GATE_REMOTEKEY_H
#define IMAPGATE_GATE_REMOTEKEY_H

/*
 * A private key that is not here. OpenSSL in the gate gets an EVP_PKEY whose
 * public half is the certificate's and whose private operation is a question
 * to the monitor (ask_sign). It is made by a small provider built into the
 * program, in a library context of its own, so nothing but these keys can
 * ever choose it (provider(7), provider-keymgmt(7), provider-signature(7)).
 */

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Signs len octets of tbs with the private key number index by the TLS
 * SignatureScheme (RFC 8446, 4.2.3), which says RSA-PSS, RSA, ECDSA or
 * Ed25519 and the digest. Fills signature, which has room for size octets,
 * and returns its length; 0 if it was refused.
 */
typedef size_t remotekey_sign(void *arg, uint32_t index, uint32_t scheme,
		    const uint8_t *tbs, size_t len, uint8_t *signature, size_t size);

/*
 * Makes the key number index, whose public half is given. Signatures are
 * asked of sign(arg, ...), which must be the same for all keys of the
 * process. Returns NULL with OpenSSL's error queue filled if it can't,
 * and for a type that is not RSA, EC or Ed25519. Free with EVP_PKEY_free(3).
 */
EVP_PKEY	*remotekey_new(EVP_PKEY *public_key, uint32_t index, remotekey_sign *sign, void *arg);

#endif
