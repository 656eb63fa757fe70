#ifndef IMAPGATE_GATE_TRAFFICKEYS_H
#define IMAPGATE_GATE_TRAFFICKEYS_H

/*
 * Keys of TLS records, derived again from the handshake's secrets, because OpenSSL does not
 * export its own.
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFICKEYS_KEY_MAX	32

/* Octets of an AEAD's nonce, which RFC 8446, 5.3 calls IV. */
#define TRAFFICKEYS_NONCE	12

/* Octets of the random in a hello, as SSL3_RANDOM_SIZE. */
#define TRAFFICKEYS_RANDOM	32

/* Keys of one direction. The caller wipes them. */
struct traffickeys {
	uint8_t	key[TRAFFICKEYS_KEY_MAX];
	uint8_t	nonce[TRAFFICKEYS_NONCE];
};

/*
 * Derives one direction's key, of key_len octets, and nonce from its TLS 1.3 traffic secret (RFC
 * 8446, 7.3). Returns false if OpenSSL fails or key_len is too large.
 */
bool	traffickeys_from_secret(struct traffickeys *, size_t key_len, const EVP_MD *, const uint8_t *secret, size_t secret_len);

/*
 * Derives the keys of both directions from a TLS 1.2 master secret and both randoms, for an AEAD
 * cipher (RFC 5246, 6.3). fixed is the number of nonce octets to derive; the others are left
 * unchanged. Returns false if OpenSSL fails or a length is too large.
 */
bool	traffickeys_from_master(struct traffickeys *client, struct traffickeys *server, size_t key_len, size_t fixed, const EVP_MD *,
	    const uint8_t *master, size_t master_len, const uint8_t *server_random, const uint8_t *client_random);

#endif
