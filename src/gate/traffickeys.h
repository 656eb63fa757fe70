#ifndef IMAPGATE_GATE_TRAFFICKEYS_H
#define IMAPGATE_GATE_TRAFFICKEYS_H

/*
 * Keys of TLS records, derived again from the handshake's secrets, because OpenSSL does not export
 * the keys that it derived.
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFICKEYS_KEY_MAX	32

/* Length of the static write IV (RFC 8446, 5.3 and 7.3; RFC 5246, 6.3). */
#define TRAFFICKEYS_IV_LEN	12

/* Length of the random in a hello, as SSL3_RANDOM_SIZE. */
#define TRAFFICKEYS_RANDOM_LEN	32

/* Keys of one direction. The caller wipes them. */
struct traffickeys {
	uint8_t	key[TRAFFICKEYS_KEY_MAX];
	uint8_t	iv[TRAFFICKEYS_IV_LEN];
};

/*
 * Derives one direction's key, of key_len octets, and IV from its TLS 1.3 traffic secret (RFC
 * 8446, 7.3). Returns false if OpenSSL fails or key_len is too large.
 */
bool	traffickeys_from_secret(struct traffickeys *, size_t key_len, const EVP_MD *, const uint8_t *secret, size_t secret_len);

/*
 * Derives the keys of both directions from a TLS 1.2 master secret and both randoms, for an AEAD
 * cipher (RFC 5246, 6.3). Takes the number of IV octets to derive; the others are left unchanged.
 * Returns false if OpenSSL fails or a length is too large.
 */
bool	traffickeys_from_master(struct traffickeys *client, struct traffickeys *server, size_t key_len, size_t fixed_iv_len, const EVP_MD *,
	    const uint8_t *master, size_t master_len, const uint8_t *server_random, const uint8_t *client_random);

#endif
