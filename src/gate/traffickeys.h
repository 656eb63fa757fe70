#ifndef IMAPGATE_GATE_TRAFFICKEYS_H
#define IMAPGATE_GATE_TRAFFICKEYS_H

/*
 * The keys of TLS records, derived anew from what the handshake agreed on:
 * OpenSSL has them, and does not tell.
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFICKEYS_KEY_MAX	32

/* An AEAD's nonce; RFC 8446, 5.3 calls it IV. */
#define TRAFFICKEYS_NONCE	12

/* SSL3_RANDOM_SIZE: what hellos begin with. */
#define TRAFFICKEYS_RANDOM	32

/* One direction. Whoever has one wipes it. */
struct traffickeys {
	uint8_t	key[TRAFFICKEYS_KEY_MAX];
	uint8_t	nonce[TRAFFICKEYS_NONCE];
};

/*
 * TLS 1.3: one direction's key, of key_len octets, and nonce from its traffic
 * secret (RFC 8446, 7.3). False if OpenSSL can't.
 */
bool	traffickeys_from_secret(struct traffickeys *, size_t key_len, const EVP_MD *, const uint8_t *secret, size_t secret_len);

/*
 * TLS 1.2, for an AEAD: the client's keys and the server's from the master
 * secret and both randoms (RFC 5246, 6.3). Fixed is how many octets of the
 * nonce are derived; the others stay as they are. False if OpenSSL can't.
 */
bool	traffickeys_from_master(struct traffickeys *client, struct traffickeys *server, size_t key_len, size_t fixed, const EVP_MD *,
	    const uint8_t *master, size_t master_len, const uint8_t *server_random, const uint8_t *client_random);

#endif
