/*
 * Tests of publickey: a certificate's key and the public half of a private
 * key have one name, however they came here; two keys never have.
 */

#include "tls/publickey.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "unit.h"

static EVP_PKEY *
make(const char *kind)
{
	EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) :
	    kind[0] == 'P' ? EVP_EC_gen(kind) : EVP_PKEY_Q_keygen(NULL, NULL, kind);

	assert_non_null(key);
	return key;
}

/* What comes back when this public key is written down, as in a certificate, and read. */
static EVP_PKEY *
read_back(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	const unsigned char *at;
	int len = i2d_PUBKEY(key, &der);
	EVP_PKEY *back;

	assert_true(len > 0);
	at = der;
	back = d2i_PUBKEY(NULL, &at, len);
	assert_non_null(back);
	OPENSSL_free(der);
	return back;
}

static void
assert_one_name(EVP_PKEY *key, EVP_PKEY *other)
{
	uint8_t name[MSG_DIGEST_LEN], again[MSG_DIGEST_LEN];

	assert_true(publickey_digest(key, name));
	assert_true(publickey_digest(other, again));
	assert_memory_equal(name, again, sizeof(name));
}

static void
test_one_name(void **state)
{
	static const char *const kinds[] = { "RSA", "P-256", "P-384", "P-521", "ED25519" };
	EVP_PKEY *key, *back;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		key = make(kinds[i]);
		back = read_back(key);
		assert_one_name(key, back);
		EVP_PKEY_free(back);
		EVP_PKEY_free(key);
	}
}

/* SEC 1, 2.3.3: a point may be written as one coordinate and a sign. */
static void
test_compressed_point(void **state)
{
	EVP_PKEY *key = make("P-256"), *plain = read_back(key), *back;

	(void)state;
	assert_int_equal(EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed"), 1);
	back = read_back(key);
	assert_one_name(plain, back);
	EVP_PKEY_free(back);
	EVP_PKEY_free(plain);
	EVP_PKEY_free(key);
}

/* Two of a kind, and two kinds. */
static void
test_no_two_names(void **state)
{
	static const char *const kinds[] = { "RSA", "RSA", "P-256", "P-256", "P-384", "ED25519", "ED25519" };
	uint8_t name[sizeof(kinds) / sizeof(kinds[0])][MSG_DIGEST_LEN];
	EVP_PKEY *key;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		key = make(kinds[i]);
		assert_true(publickey_digest(key, name[i]));
		EVP_PKEY_free(key);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(name[i], name[j], MSG_DIGEST_LEN);
	}
}

/* The exponent counts as well as the modulus: a signature of one is none of the other. */
static void
test_both_numbers(void **state)
{
	uint8_t name[MSG_DIGEST_LEN], again[MSG_DIGEST_LEN];
	EVP_PKEY *key = make("RSA"), *other = NULL;
	BIGNUM *n = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	unsigned char modulus[256];
	uint32_t exponent = 3;
	OSSL_PARAM params[] = {
		OSSL_PARAM_BN("n", modulus, sizeof(modulus)),
		OSSL_PARAM_uint32("e", &exponent),
		OSSL_PARAM_END
	};

	(void)state;
	assert_int_equal(EVP_PKEY_get_bn_param(key, "n", &n), 1);
	assert_int_equal(BN_bn2nativepad(n, modulus, sizeof(modulus)), sizeof(modulus));
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &other, EVP_PKEY_PUBLIC_KEY, params), 1);
	assert_true(publickey_digest(key, name));
	assert_true(publickey_digest(other, again));
	assert_memory_not_equal(name, again, sizeof(name));
	BN_free(n);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void
test_other_kinds(void **state)
{
	static const char *const kinds[] = { "X25519", "ED448" };
	uint8_t name[MSG_DIGEST_LEN];
	EVP_PKEY *key;

	(void)state;
	assert_false(publickey_digest(NULL, name));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		key = make(kinds[i]);
		assert_false(publickey_digest(key, name));
		EVP_PKEY_free(key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_name),
		cmocka_unit_test(test_compressed_point),
		cmocka_unit_test(test_no_two_names),
		cmocka_unit_test(test_both_numbers),
		cmocka_unit_test(test_other_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
