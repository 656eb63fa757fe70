/*
 * Derives the keys of TLS records, see traffickeys.h. Run by the gate in its sandbox.
 */

#include "gate/traffickeys.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

/* Fills out with len octets of OpenSSL's key derivation function of this name (EVP_KDF(3)). */
static bool
run_kdf(const char *name, const OSSL_PARAM params[], uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	bool derived = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1;

	/* Also wipes the secrets in the context. */
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return derived;
}

static OSSL_PARAM
octets_param(const char *name, const void *bytes, size_t len)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes, len);
}

static OSSL_PARAM
text_param(const char *name, const char *value)
{
	return OSSL_PARAM_construct_utf8_string(name, (char *)(uintptr_t)value, 0);
}

/* Computes HKDF-Expand-Label(secret, label, "", len) of RFC 8446, 7.1. */
static bool
expand_label(const EVP_MD *digest, const uint8_t *secret, size_t secret_len, const char *label, uint8_t *out, size_t len)
{
	char info[32];
	int n = snprintf(info, sizeof(info), "%c%c%ctls13 %s%c", 0, (int)len, (int)(strlen("tls13 ") + strlen(label)), label, 0);
	const OSSL_PARAM params[] = {
		text_param(OSSL_KDF_PARAM_MODE, "EXPAND_ONLY"),
		text_param(OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(digest)),
		octets_param(OSSL_KDF_PARAM_KEY, secret, secret_len),
		octets_param(OSSL_KDF_PARAM_INFO, info, (size_t)n),
		OSSL_PARAM_construct_end(),
	};

	return run_kdf("HKDF", params, out, len);
}

bool
traffickeys_from_secret(struct traffickeys *keys, size_t key_len, const EVP_MD *digest, const uint8_t *secret, size_t secret_len)
{
	return key_len <= TRAFFICKEYS_KEY_MAX && expand_label(digest, secret, secret_len, "key", keys->key, key_len) &&
	    expand_label(digest, secret, secret_len, "iv", keys->iv, TRAFFICKEYS_IV_LEN);
}

bool
traffickeys_from_master(struct traffickeys *client, struct traffickeys *server, size_t key_len, size_t fixed_iv_len, const EVP_MD *digest,
    const uint8_t *master, size_t master_len, const uint8_t *server_random, const uint8_t *client_random)
{
	static const char label[] = "key expansion";
	const OSSL_PARAM params[] = {
		text_param(OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(digest)),
		octets_param(OSSL_KDF_PARAM_SECRET, master, master_len),
		octets_param(OSSL_KDF_PARAM_SEED, label, strlen(label)),
		octets_param(OSSL_KDF_PARAM_SEED, server_random, TRAFFICKEYS_RANDOM_LEN),
		octets_param(OSSL_KDF_PARAM_SEED, client_random, TRAFFICKEYS_RANDOM_LEN),
		OSSL_PARAM_construct_end(),
	};
	uint8_t block[2 * (TRAFFICKEYS_KEY_MAX + TRAFFICKEYS_IV_LEN)];
	bool derived;

	if (key_len > TRAFFICKEYS_KEY_MAX || fixed_iv_len > TRAFFICKEYS_IV_LEN)
		return false;
	derived = run_kdf("TLS1-PRF", params, block, 2 * (key_len + fixed_iv_len));
	/*
	 * An AEAD cipher has no MAC keys; the key block is client's key, server's key, client's
	 * IV, server's IV.
	 */
	if (derived) {
		memcpy(client->key, block, key_len);
		memcpy(server->key, block + key_len, key_len);
		memcpy(client->iv, block + 2 * key_len, fixed_iv_len);
		memcpy(server->iv, block + 2 * key_len + fixed_iv_len, fixed_iv_len);
	}
	explicit_bzero(block, sizeof(block));
	return derived;
}
