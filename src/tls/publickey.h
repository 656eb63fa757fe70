#ifndef IMAPGATE_PUBLICKEY_H
#define IMAPGATE_PUBLICKEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"

/*
 * Computes a SHA-256 that identifies a public key between gate and signer, from its type and its
 * numbers (RSA: modulus and exponent; EC: curve and point; Ed25519: octets). The digest is the
 * same for a certificate and for its private key in any encoding. Returns false for other types, a
 * curve without a name, or RSA beyond 16384 bits.
 */
bool	publickey_digest(const EVP_PKEY *, uint8_t digest[MSG_DIGEST_LEN]);

#endif
