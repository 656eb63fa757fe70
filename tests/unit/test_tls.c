/*
 * The handshake with itself that a listener makes before it accepts: what
 * works, and what is wrong with the server's side.
 */

#include "tls/tls.h"

#include <openssl/pem.h>
#include <unistd.h>

#include "signer/sign.h"
#include "unit.h"

static char path[] = "/tmp/test_tls.XXXXXX";
static struct options opts;
static struct sign_keys keys;
static struct tls tls;
static bool signs;

static bool
has_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN])
{
	return sign_answer_key(&keys, index, key_digest) == NULL;
}

static size_t
sign(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	struct msg_sign question = { .index = index, .scheme = scheme, .len = (uint32_t)len };
	struct msg_sign_answer answer;

	(void)arg;
	assert_true(len <= sizeof(question.tbs));
	memcpy(question.tbs, tbs, len);
	sign_answer(&keys, &question, &answer);
	assert_true(answer.len <= size);
	memcpy(signature, answer.signature, answer.len);
	return signs ? answer.len : 0;
}

static void
fail_on_error(const char *file, const char *wrong)
{
	fail_msg("%s: %s", file, wrong);
}

static const struct tls_callbacks callbacks = { has_key, sign, fail_on_error };

/* A key and a certificate in one file. */
static void
write_identity(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	FILE *file = fdopen(mkstemp(path), "w");

	assert_non_null(file);
	X509_set_version(cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(file, cert), 1);
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int
setup(void **state)
{
	(void)state;
	write_identity();
	opts.n_cert = 1;
	opts.cert[0] = opts.key[0] = path;
	keys.opts = &opts;
	signs = true;
	tls_load(&tls, &opts, &callbacks);
	assert_null(tls_prepare(&tls));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tls_free(&tls);
	sign_forget(&keys);
	unlink(path);
	return 0;
}

static void
test_works(void **state)
{
	(void)state;
	assert_true(tls_self_test(&tls));
	/* And again: nothing of the first is in the way. */
	assert_true(tls_self_test(&tls));
}

static void
test_fails_without_a_signature(void **state)
{
	(void)state;
	signs = false;
	assert_false(tls_self_test(&tls));
	signs = true;
	assert_true(tls_self_test(&tls));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_fails_without_a_signature),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
