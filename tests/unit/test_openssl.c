/*
 * OpenSSL as our processes have it: what it frees goes through us, and after a fork
 * the parent's random numbers are none that the child could know.
 */

#include "base/openssl.h"

#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "unit.h"

/* How often this generator has got a new seed. */
static unsigned
seeds(EVP_RAND_CTX *generator)
{
	unsigned n = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_COUNTER, &n),
		OSSL_PARAM_construct_end()
	};

	assert_int_equal(EVP_RAND_CTX_get_params(generator, params), 1);
	return n;
}

/* What OpenSSL calls when it frees can be asked for, and is not the C library's. */
static void
memory_is_freed_by_our_function(void **state)
{
	CRYPTO_malloc_fn allocate;
	CRYPTO_realloc_fn reallocate;
	CRYPTO_free_fn release;
	char *at, *moved;

	(void)state;
	openssl_begin();
	CRYPTO_get_mem_functions(&allocate, &reallocate, &release);
	assert_ptr_not_equal(release, CRYPTO_free);
	assert_ptr_not_equal(reallocate, CRYPTO_realloc);

	at = OPENSSL_malloc(100);
	strcpy(at, "secret");
	moved = OPENSSL_realloc(at, 100000);
	assert_string_equal(moved, "secret");
	moved = OPENSSL_realloc(moved, 4);
	assert_memory_equal(moved, "secr", 4);
	OPENSSL_free(moved);
}

static void
ciphers_are_found_by_what_tls_calls_them(void **state)
{
	EVP_CIPHER *cipher;

	(void)state;
	openssl_begin();
	cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	assert_non_null(cipher);
	EVP_CIPHER_free(cipher);
	assert_non_null(EVP_get_digestbyname("SHA256"));
}

/* A generator takes a new seed when it is used next, and its parent has got one since. */
static void
parents_random_numbers_are_new_after_a_fork(void **state)
{
	unsigned char some[16];
	unsigned public_before, private_before;

	(void)state;
	openssl_begin();
	assert_int_equal(RAND_bytes(some, sizeof(some)), 1);
	assert_int_equal(RAND_priv_bytes(some, sizeof(some)), 1);
	public_before = seeds(RAND_get0_public(NULL));
	private_before = seeds(RAND_get0_private(NULL));

	RAND_bytes(some, sizeof(some));
	RAND_priv_bytes(some, sizeof(some));
	assert_int_equal(seeds(RAND_get0_public(NULL)), public_before);
	assert_int_equal(seeds(RAND_get0_private(NULL)), private_before);

	openssl_reseed();
	RAND_bytes(some, sizeof(some));
	RAND_priv_bytes(some, sizeof(some));
	assert_int_equal(seeds(RAND_get0_public(NULL)), public_before + 1);
	assert_int_equal(seeds(RAND_get0_private(NULL)), private_before + 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_freed_by_our_function),
		cmocka_unit_test(ciphers_are_found_by_what_tls_calls_them),
		cmocka_unit_test(parents_random_numbers_are_new_after_a_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
