/*
 * From OpenSSL to the kernel, see ktls.h. Run by the gate, which has the
 * session's keys in any case; they never leave it but for the kernel.
 *
 * A wrong key or counter would break the connection at its next record, so
 * nothing here is guessed: secrets come from OpenSSL's key log, and records
 * are counted as OpenSSL tells of them. Session tickets, a retried hello or a
 * long dialogue thus need no thought.
 */

#include "gate/ktls.h"

#include <linux/tls.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

/* An AEAD's nonce (RFC 8446, 5.3). What of it is salt and what is IV is the kernel's business. */
#define NONCE	12
#define KEY_MAX	32

/* A sequence number (RFC 8446, 5.3; RFC 5246, 6.1). */
#define COUNTER	8

/* What the kernel can do (linux/tls.h), and what of the nonce TLS 1.2 takes from the key block: for GCM the salt only (RFC 5288, 3). */
static const struct suite {
	int		cipher;		/* SSL_CIPHER_get_cipher_nid(3) */
	uint16_t	type;		/* in linux/tls.h */
	size_t		key;
	size_t		salt;		/* octets of the nonce that are called so */
	size_t		fixed;		/* octets of the nonce that TLS 1.2 derives */
} suites[] = {
	{ NID_aes_128_gcm, TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_128_KEY_SIZE, TLS_CIPHER_AES_GCM_128_SALT_SIZE, 4 },
	{ NID_aes_256_gcm, TLS_CIPHER_AES_GCM_256, TLS_CIPHER_AES_GCM_256_KEY_SIZE, TLS_CIPHER_AES_GCM_256_SALT_SIZE, 4 },
	{ NID_chacha20_poly1305, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305_KEY_SIZE, 0, NONCE },
};

/* Both directions' keys, on their way. */
struct keys {
	const struct suite	*suite;
	uint16_t		 version;
	uint8_t			 key[2][KEY_MAX];
	uint8_t			 nonce[2][NONCE];
};

/* The kernel's structs are all of this form: header, IV, key, salt, counter, without holes. */
struct crypto {
	struct tls_crypto_info	info;
	uint8_t			rest[NONCE + KEY_MAX + COUNTER];
};

_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_128) == sizeof(struct tls_crypto_info) + NONCE + 16 + COUNTER, "no holes");
_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) == sizeof(struct crypto), "no holes");
_Static_assert(sizeof(struct tls12_crypto_info_chacha20_poly1305) == sizeof(struct crypto), "no holes");

/* Watching. */

/* A line is "LABEL client_random secret", in hexadecimal (SSL_CTX_set_keylog_callback(3)). */
static void
take_secret(struct ktls *k, int direction, const char *line, const char *label)
{
	const char *hex = strrchr(line, ' ');

	if (hex == NULL || strncmp(line, label, strlen(label)) != 0)
		return;
	if (OPENSSL_hexstr2buf_ex(k->secret[direction], KTLS_SECRET_MAX, &k->secret_len[direction], hex + 1, '\0') != 1)
		k->secret_len[direction] = 0;
}

static void
on_secret(const SSL *ssl, const char *line)
{
	struct ktls *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	take_secret(k, KTLS_READ, line, "CLIENT_TRAFFIC_SECRET_0 ");
	take_secret(k, KTLS_WRITE, line, "SERVER_TRAFFIC_SECRET_0 ");
}

/*
 * Counts records. New keys are in use behind ChangeCipherSpec in TLS 1.2,
 * and behind Finished in TLS 1.3, whose ChangeCipherSpec means nothing and
 * comes before (RFC 8446, D.4). OpenSSL tells of a record's header first, and
 * of messages only when they have been read from the record.
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
		k->why = WHY_KEY_UPDATE;
}

void
ktls_watch(struct ktls *k, SSL_CTX *ctx, enum msg_why why)
{
	memset(k, 0, sizeof(*k));
	k->why = why;
	if (why != WHY_NONE)
		return;
	SSL_CTX_set_app_data(ctx, k);
	SSL_CTX_set_keylog_callback(ctx, on_secret);
	SSL_CTX_set_msg_callback(ctx, on_message);
	SSL_CTX_set_msg_callback_arg(ctx, k);
}

/* Deriving. */

static bool
derive(const char *name, const OSSL_PARAM params[], uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	bool derived = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return derived;
}

/* HKDF-Expand-Label(secret, label, "", len) of RFC 8446, 7.1. */
static bool
expand_label(const EVP_MD *digest, uint8_t *secret, size_t secret_len, const char *label, uint8_t *out, size_t len)
{
	char mode[] = "EXPAND_ONLY", info[32];
	int n = snprintf(info, sizeof(info), "%c%c%ctls13 %s%c", 0, (int)len, (int)(strlen("tls13 ") + strlen(label)), label, 0);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)EVP_MD_get0_name(digest), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret, secret_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)n),
		OSSL_PARAM_construct_end(),
	};

	return derive("HKDF", params, out, len);
}

/* RFC 8446, 7.3: each direction has a secret of its own. */
static bool
derive_tls13(struct ktls *k, const EVP_MD *digest, struct keys *keys)
{
	int way;

	for (way = KTLS_READ; way <= KTLS_WRITE; way++) {
		if (k->secret_len[way] == 0)
			return false;
		if (!expand_label(digest, k->secret[way], k->secret_len[way], "key", keys->key[way], keys->suite->key))
			return false;
		if (!expand_label(digest, k->secret[way], k->secret_len[way], "iv", keys->nonce[way], NONCE))
			return false;
	}
	return true;
}

/* RFC 5246, 6.3: PRF(master, "key expansion", server_random + client_random), with no MAC keys for an AEAD. */
static bool
derive_block(const SSL *ssl, const EVP_MD *digest, uint8_t *block, size_t len)
{
	uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], randoms[2 * SSL3_RANDOM_SIZE];
	char label[] = "key expansion";
	size_t master_len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)EVP_MD_get0_name(digest), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, master_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, randoms, sizeof(randoms)),
		OSSL_PARAM_construct_end(),
	};
	bool derived;

	SSL_get_server_random(ssl, randoms, SSL3_RANDOM_SIZE);
	SSL_get_client_random(ssl, randoms + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
	derived = master_len > 0 && derive("TLS1-PRF", params, block, len);
	explicit_bzero(master, sizeof(master));
	return derived;
}

/*
 * The block is: client's key, server's key, client's nonce, server's. Where
 * a part of the nonce is sent with each record (RFC 5288, 3), ours goes on
 * from a random value: OpenSSL did the same, for a few records, and that two
 * of 2^64 values are so close happens to nobody.
 */
static bool
derive_tls12(const SSL *ssl, const EVP_MD *digest, struct keys *keys)
{
	uint8_t block[2 * (KEY_MAX + NONCE)] = { 0 };
	size_t key = keys->suite->key, fixed = keys->suite->fixed;
	bool derived = derive_block(ssl, digest, block, 2 * (key + fixed)) && RAND_bytes(keys->nonce[KTLS_WRITE], NONCE) == 1;
	int way;

	for (way = KTLS_READ; way <= KTLS_WRITE; way++) {
		memcpy(keys->key[way], block + (size_t)way * key, key);
		memcpy(keys->nonce[way], block + 2 * key + (size_t)way * fixed, fixed);
	}
	explicit_bzero(block, sizeof(block));
	return derived;
}

static bool
derive_keys(struct ktls *k, const SSL *ssl, struct keys *keys)
{
	const EVP_MD *digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));

	if (digest == NULL)
		return false;
	if (SSL_version(ssl) == TLS1_3_VERSION)
		return derive_tls13(k, digest, keys);
	/* Finished has been sent and received under these keys, so none of the counters can be 0. */
	return k->records[KTLS_READ] > 0 && k->records[KTLS_WRITE] > 0 && derive_tls12(ssl, digest, keys);
}

/* Switching. */

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

/* What is against it now. */
static enum msg_why
find_obstacle(const struct ktls *k, const struct conn *c)
{
	if (k->why != WHY_NONE)
		return k->why;
	if (find_suite(c->ssl) == NULL)
		return WHY_CIPHER;
	if (SSL_SESSION_get_max_fragment_length(SSL_get_session(c->ssl)) != TLSEXT_max_fragment_length_DISABLED)
		return WHY_FRAGMENT_LENGTH;
	if (c->looked > 0 || SSL_has_pending(c->ssl))
		return WHY_LEFT_OVER;
	return SSL_get_shutdown(c->ssl) != 0 ? WHY_HALF_CLOSED : WHY_NONE;
}

static uint8_t *
append(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* Gives one direction to the kernel (Documentation/networking/tls.rst). */
static bool
install(int fd, int option, const struct keys *keys, int way, uint64_t records)
{
	struct crypto crypto = { .info = { .version = keys->version, .cipher_type = keys->suite->type } };
	uint8_t counter[COUNTER], *at = crypto.rest;
	bool installed;
	int i;

	for (i = COUNTER - 1; i >= 0; i--, records >>= 8)
		counter[i] = (uint8_t)records;
	at = append(at, keys->nonce[way] + keys->suite->salt, NONCE - keys->suite->salt);
	at = append(at, keys->key[way], keys->suite->key);
	at = append(at, keys->nonce[way], keys->suite->salt);
	at = append(at, counter, COUNTER);
	installed = setsockopt(fd, SOL_TLS, option, &crypto, (socklen_t)(at - (uint8_t *)&crypto)) == 0;
	explicit_bzero(&crypto, sizeof(crypto));
	return installed;
}

/* From here on OpenSSL must not say a word on this connection. */
static void
let_go(struct conn *c)
{
	SSL_set_quiet_shutdown(c->ssl, 1);
	SSL_free(c->ssl);
	c->ssl = NULL;
}

enum msg_why
ktls_switch(struct ktls *k, struct conn *c)
{
	struct keys keys = { .version = (uint16_t)SSL_version(c->ssl), .suite = find_suite(c->ssl) };
	enum msg_why why = find_obstacle(k, c);
	bool half = false;

	if (why == WHY_NONE && !derive_keys(k, c->ssl, &keys))
		why = WHY_SECRETS;
	if (why == WHY_NONE && !install(c->in, TLS_RX, &keys, KTLS_READ, k->records[KTLS_READ]))
		why = WHY_KERNEL;
	if (why == WHY_NONE)
		half = !install(c->out, TLS_TX, &keys, KTLS_WRITE, k->records[KTLS_WRITE]);
	explicit_bzero(&keys, sizeof(keys));
	ktls_forget(k);
	if (half)
		die("the kernel takes one direction of TLS only");
	if (why == WHY_NONE)
		let_go(c);
	return why;
}

void
ktls_forget(struct ktls *k)
{
	explicit_bzero(k, sizeof(*k));
	k->why = WHY_SECRETS;
}
