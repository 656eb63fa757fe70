#ifndef IMAPGATE_TLS_REMOTEKEY_H
#define IMAPGATE_TLS_REMOTEKEY_H

/*
 * Private keys that are in another process. OpenSSL in the gate gets an EVP_PKEY with the
 * certificate's public key; to sign with the EVP_PKEY, the gate asks the signer or monitor
 * (ask_sign()). A small built-in provider implements such keys, in a library context of its own so
 * that nothing else uses it (provider(7), provider-keymgmt(7), provider-signature(7)).
 */

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Signs len octets of tbs with the private key at this index, by the TLS SignatureScheme (RFC
 * 8446, 4.2.3): RSA-PSS, RSA, ECDSA or Ed25519, with its digest. Fills signature, of at most
 * size octets. Returns the signature's length, or 0 on failure.
 */
typedef size_t remotekey_sign(void *arg, uint32_t index, uint32_t scheme,
		    const uint8_t *tbs, size_t len, uint8_t *signature, size_t size);

/*
 * Makes the EVP_PKEY for the key at this index from its public key. Signatures are made by
 * sign(arg, ...), which must be the same for all keys of the process. Returns NULL, with
 * OpenSSL's error queue filled, on failure or if the type is not RSA, EC or Ed25519. The caller
 * frees the EVP_PKEY (EVP_PKEY_free(3)).
 */
EVP_PKEY	*remotekey_new(EVP_PKEY *public_key, uint32_t index, remotekey_sign *sign, void *arg);

#endif
