#ifndef IMAPGATE_PUBLICKEY_H
#define IMAPGATE_PUBLICKEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"

/*
 * What gate and monitor call a public key between them: a SHA-256 of its
 * kind and its numbers (RSA's modulus and exponent, EC's curve and point,
 * Ed25519's octets). The same for a certificate's key and for the public half
 * of a private one, however each of them was encoded. False for other kinds,
 * for a curve without a name, and for RSA beyond 16384 bits.
 */
bool	publickey_digest(const EVP_PKEY *, uint8_t digest[MSG_DIGEST]);

#endif
