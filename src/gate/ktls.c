/*
 * Moving TLS from OpenSSL to the kernel, see ktls.h. Run by the gate in its sandbox, which has the
 * session's keys in any case and gives them to the kernel only.
 *
 * A wrong key or counter breaks the connection at the next record, so both come from OpenSSL
 * itself: secrets from its key log, counters from its message callback. Session tickets, a
 * HelloRetryRequest and long dialogues need no special case.
 */

#include "gate/ktls.h"

#include <linux/tls.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define IV_LEN	TRAFFICKEYS_IV_LEN
#define KEY_MAX	TRAFFICKEYS_KEY_MAX

/* Length of a record's sequence number (RFC 8446, 5.3; RFC 5246, 6.1). */
#define SEQUENCE_LEN	8

/*
 * Ciphers that the kernel supports (linux/tls.h), which calls the first octets of an IV the salt
 * and the rest the IV.
 */
static const struct suite {
	int		cipher;		/* from SSL_CIPHER_get_cipher_nid(3) */
	uint16_t	type;		/* TLS_CIPHER_* of linux/tls.h */
	size_t		key;
	size_t		salt;		/* leading octets of the IV */
	size_t		fixed;		/* leading octets that TLS 1.2 derives; GCM: the salt (RFC 5288, 3) */
} suites[] = {
	{ NID_aes_128_gcm, TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_128_KEY_SIZE, TLS_CIPHER_AES_GCM_128_SALT_SIZE, 4 },
	{ NID_aes_256_gcm, TLS_CIPHER_AES_GCM_256, TLS_CIPHER_AES_GCM_256_KEY_SIZE, TLS_CIPHER_AES_GCM_256_SALT_SIZE, 4 },
	{ NID_chacha20_poly1305, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305_KEY_SIZE, 0, IV_LEN },
};

/* Layout of all the kernel's structs: header, IV, key, salt, counter, without padding. */
struct crypto {
	struct tls_crypto_info	info;
	uint8_t			rest[IV_LEN + KEY_MAX + SEQUENCE_LEN];
};

_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_128) == sizeof(struct tls_crypto_info) + IV_LEN + 16 + SEQUENCE_LEN, "no holes");
_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) == sizeof(struct crypto), "no holes");
_Static_assert(sizeof(struct tls12_crypto_info_chacha20_poly1305) == sizeof(struct crypto), "no holes");

/* Watching the handshake. */

/*
 * Stores a secret from a line "LABEL client_random secret" in hexadecimal
 * (SSL_CTX_set_keylog_callback(3)).
 */
static void
store_secret(struct ktls *k, int direction, const char *line, const char *label)
{
	const char *hex;

	if (strncmp(line, label, strlen(label)) != 0)
		return;
	hex = strchr(line + strlen(label), ' ');
	if (hex == NULL || OPENSSL_hexstr2buf_ex(k->secret[direction], KTLS_SECRET_MAX, &k->secret_len[direction], hex + 1, '\0') != 1)
		k->secret_len[direction] = 0;
}

static void
on_keylog_line(const SSL *ssl, const char *line)
{
	struct ktls *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	store_secret(k, KTLS_READ, line, "CLIENT_TRAFFIC_SECRET_0 ");
	store_secret(k, KTLS_WRITE, line, "SERVER_TRAFFIC_SECRET_0 ");
}

/*
 * Counts records, from 0 for each new key. New keys are used after ChangeCipherSpec in TLS 1.2, and
 * after Finished in TLS 1.3, whose ChangeCipherSpec has no meaning and comes earlier (RFC 8446,
 * D.4). OpenSSL reports a record's header before the messages in it.
 */
static void
on_message(int write, int version, int type, const void *message, size_t len, SSL *ssl, void *arg)
{
	const uint8_t *bytes = message;
	struct ktls *k = arg;

	(void)version;
	if (len == 0 || (type != SSL3_RT_HEADER && type != SSL3_RT_HANDSHAKE))
		return;
	if (type == SSL3_RT_HEADER) {
		k->records[write] = bytes[0] == SSL3_RT_CHANGE_CIPHER_SPEC ? 0 : k->records[write] + 1;
		return;
	}
	if (bytes[0] == SSL3_MT_FINISHED && SSL_version(ssl) == TLS1_3_VERSION)
		k->records[write] = 0;
	if (bytes[0] == SSL3_MT_KEY_UPDATE)
		k->obstacle = OBSTACLE_KEY_UPDATE;
}

void
ktls_watch(struct ktls *k, SSL_CTX *ctx, enum ktls_obstacle obstacle)
{
	memset(k, 0, sizeof(*k));
	k->obstacle = obstacle;
	if (obstacle != OBSTACLE_NONE)
		return;
	SSL_CTX_set_app_data(ctx, k);
	SSL_CTX_set_keylog_callback(ctx, on_keylog_line);
	SSL_CTX_set_msg_callback(ctx, on_message);
	SSL_CTX_set_msg_callback_arg(ctx, k);
}

/* Deriving keys. */

static const struct suite *
find_suite(const SSL *ssl)
{
	int cipher = SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl));
	size_t i;

	if (SSL_version(ssl) != TLS1_2_VERSION && SSL_version(ssl) != TLS1_3_VERSION)
		return NULL;
	for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (suites[i].cipher == cipher)
			return &suites[i];
	return NULL;
}

/*
 * Derives both directions' keys. The explicit part of our nonces (RFC 5288, 3) starts at a random
 * value. OpenSSL's did too, and only few records were sent: with 2^64 values a repeated nonce is
 * improbable enough.
 */
static bool
derive_tls12(const SSL *ssl, const struct suite *suite, const EVP_MD *digest, struct traffickeys keys[2])
{
	uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], server[SSL3_RANDOM_SIZE], client[SSL3_RANDOM_SIZE];
	size_t master_len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	bool derived;

	SSL_get_server_random(ssl, server, sizeof(server));
	SSL_get_client_random(ssl, client, sizeof(client));
	derived = master_len > 0 && RAND_bytes(keys[KTLS_WRITE].iv, IV_LEN) == 1 && traffickeys_from_master(&keys[KTLS_READ],
	    &keys[KTLS_WRITE], suite->key, suite->fixed, digest, master, master_len, server, client);
	explicit_bzero(master, sizeof(master));
	return derived;
}

static bool
derive_tls13(const struct ktls *k, const struct suite *suite, const EVP_MD *digest, struct traffickeys keys[2])
{
	size_t len = (size_t)EVP_MD_get_size(digest);
	int direction;

	for (direction = KTLS_READ; direction <= KTLS_WRITE; direction++)
		if (k->secret_len[direction] != len ||
		    !traffickeys_from_secret(&keys[direction], suite->key, digest, k->secret[direction], len))
			return false;
	return true;
}

bool
ktls_derive(const struct ktls *k, const SSL *ssl, struct traffickeys keys[2])
{
	const EVP_MD *digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
	const struct suite *suite = find_suite(ssl);

	if (digest == NULL || suite == NULL)
		return false;
	if (SSL_version(ssl) == TLS1_3_VERSION)
		return derive_tls13(k, suite, digest, keys);
	/* Both Finished messages use these keys, so a counter of 0 is an error. */
	return k->records[KTLS_READ] > 0 && k->records[KTLS_WRITE] > 0 && derive_tls12(ssl, suite, digest, keys);
}

/* Switching to the kernel. */

/* Returns the obstacle at this moment. */
static enum ktls_obstacle
find_obstacle(const struct ktls *k, const struct conn *c)
{
	if (k->obstacle != OBSTACLE_NONE)
		return k->obstacle;
	if (find_suite(c->ssl) == NULL)
		return OBSTACLE_CIPHER;
	if (SSL_SESSION_get_max_fragment_length(SSL_get_session(c->ssl)) != TLSEXT_max_fragment_length_DISABLED)
		return OBSTACLE_FRAGMENT_LENGTH;
	/* After close_notify OpenSSL 3.5 also has something pending: test for it first. */
	if (SSL_get_shutdown(c->ssl) != 0)
		return OBSTACLE_HALF_CLOSED;
	return c->peeked > 0 || SSL_has_pending(c->ssl) ? OBSTACLE_LEFT_OVER : OBSTACLE_NONE;
}

/* Copies len bytes to at. Returns the end of the copy. */
static uint8_t *
append_bytes(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/*
 * Gives the keys and the counter of one direction to the kernel
 * (Documentation/networking/tls.rst).
 */
static bool
install_keys(int fd, int option, int version, const struct suite *suite, const struct traffickeys *keys, uint64_t records)
{
	struct crypto crypto = { .info = { .version = (uint16_t)version, .cipher_type = suite->type } };
	uint8_t counter[SEQUENCE_LEN], *at = crypto.rest;
	bool installed;
	int i;

	for (i = SEQUENCE_LEN - 1; i >= 0; i--, records >>= 8)
		counter[i] = (uint8_t)records;
	at = append_bytes(at, keys->iv + suite->salt, IV_LEN - suite->salt);
	at = append_bytes(at, keys->key, suite->key);
	at = append_bytes(at, keys->iv, suite->salt);
	at = append_bytes(at, counter, SEQUENCE_LEN);
	installed = setsockopt(fd, SOL_TLS, option, &crypto, (socklen_t)(at - (uint8_t *)&crypto)) == 0;
	explicit_bzero(&crypto, sizeof(crypto));
	return installed;
}

/* Installs the keys of both directions or none. Dies if only the first can be installed. */
static enum ktls_obstacle
install_both_keys(const struct ktls *k, const struct conn *c)
{
	const struct suite *suite = find_suite(c->ssl);
	struct traffickeys keys[2] = { 0 };
	enum ktls_obstacle obstacle = OBSTACLE_NONE;
	int version = SSL_version(c->ssl);
	bool half = false;

	if (!ktls_derive(k, c->ssl, keys))
		obstacle = OBSTACLE_SECRETS;
	else if (!install_keys(c->in, TLS_RX, version, suite, &keys[KTLS_READ], k->records[KTLS_READ]))
		obstacle = OBSTACLE_KERNEL;
	else
		half = !install_keys(c->out, TLS_TX, version, suite, &keys[KTLS_WRITE], k->records[KTLS_WRITE]);
	explicit_bzero(keys, sizeof(keys));
	if (half)
		die("the kernel accepted TLS keys for one direction only");
	return obstacle;
}

/* Frees OpenSSL's state without sending close_notify. */
static void
free_ssl(struct conn *c)
{
	SSL_set_quiet_shutdown(c->ssl, 1);
	SSL_free(c->ssl);
	c->ssl = NULL;
}

enum ktls_obstacle
ktls_switch(struct ktls *k, struct conn *c)
{
	enum ktls_obstacle obstacle = find_obstacle(k, c);

	if (obstacle == OBSTACLE_NONE)
		obstacle = install_both_keys(k, c);
	ktls_forget(k);
	if (obstacle == OBSTACLE_NONE)
		free_ssl(c);
	return obstacle;
}

void
ktls_forget(struct ktls *k)
{
	explicit_bzero(k, sizeof(*k));
	k->obstacle = OBSTACLE_SECRETS;
}
