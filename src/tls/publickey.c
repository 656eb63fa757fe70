/*
 * Identifying a public key, see publickey.h. Run by each process that reads a certificate or a
 * private key. The digest is not a digest of the SubjectPublicKeyInfo: to encode that, OpenSSL 3.0
 * tries all its encoders, which takes longer than parsing the certificate.
 */

#include "tls/publickey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <string.h>

/* OPENSSL_RSA_MAX_MODULUS_BITS in octets. */
#define NUMBER_MAX	2048

static const struct key_type {
	const char	*name;
	/* Names of parameters: EVP_PKEY-RSA(7), EVP_PKEY-EC(7), EVP_PKEY-X25519(7). */
	const char	*text, *numbers[2], *octets;
} key_types[] = {
	{ "RSA", NULL, { OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E }, NULL },
	{ "EC", OSSL_PKEY_PARAM_GROUP_NAME, { OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y }, NULL },
	{ "ED25519", NULL, { NULL, NULL }, OSSL_PKEY_PARAM_PUB_KEY },
};

static const struct key_type *
find_type(const EVP_PKEY *key)
{
	for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++)
		if (EVP_PKEY_is_a(key, key_types[i].name))
			return &key_types[i];
	return NULL;
}

/* Adds a length and its octets, so that different keys never give the same input. */
static bool
digest_add(EVP_MD_CTX *md, const void *at, size_t size)
{
	uint32_t len = (uint32_t)size;

	return EVP_DigestUpdate(md, &len, sizeof(len)) == 1 && EVP_DigestUpdate(md, at, size) == 1;
}

/* Adds a text parameter of the key; name NULL: nothing. */
static bool
digest_add_text(EVP_MD_CTX *md, const EVP_PKEY *key, const char *name)
{
	char text[64];
	size_t len;

	return name == NULL || (EVP_PKEY_get_utf8_string_param(key, name, text, sizeof(text), &len) == 1 && digest_add(md, text, len));
}

static bool
digest_add_octets(EVP_MD_CTX *md, const EVP_PKEY *key, const char *name)
{
	unsigned char octets[64];
	size_t len;

	return name == NULL || (EVP_PKEY_get_octet_string_param(key, name, octets, sizeof(octets), &len) == 1 && digest_add(md, octets, len));
}

static bool
digest_add_number(EVP_MD_CTX *md, const EVP_PKEY *key, const char *name)
{
	unsigned char octets[NUMBER_MAX];
	BIGNUM *number = NULL;
	bool ok;

	if (name == NULL)
		return true;
	ok = EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_num_bytes(number) <= NUMBER_MAX &&
	    digest_add(md, octets, (size_t)BN_bn2bin(number, octets));
	BN_free(number);
	return ok;
}

bool
publickey_digest(const EVP_PKEY *key, uint8_t digest[MSG_DIGEST_LEN])
{
	const struct key_type *type = key != NULL ? find_type(key) : NULL;
	EVP_MD_CTX *md;
	bool ok;

	if (type == NULL)
		return false;
	md = EVP_MD_CTX_new();
	ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
	    digest_add(md, type->name, strlen(type->name)) &&
	    digest_add_text(md, key, type->text) &&
	    digest_add_number(md, key, type->numbers[0]) && digest_add_number(md, key, type->numbers[1]) &&
	    digest_add_octets(md, key, type->octets) &&
	    EVP_DigestFinal_ex(md, digest, NULL) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}
