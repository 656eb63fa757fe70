/*
 * Files of certificates: which blocks are left of them, and that OpenSSL never
 * has a private key in its hands where only certificates are wanted.
 */

#include "tls/certfile.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "tls/clientca.h"
#include "tls/tls.h"
#include "base/openssl.h"
#include "unit.h"

/* --- what is left */

#define CERT(text)	"-----BEGIN CERTIFICATE-----\n" text "\n-----END CERTIFICATE-----\n"
#define KEY(text)	"-----BEGIN PRIVATE KEY-----\n" text "\n-----END PRIVATE KEY-----\n"

static const struct {
	const char	*text, *left;
} cuts[] = {
	{ "", "" },
	{ "no PEM at all", "" },
	{ CERT("MIIB") CERT("MIIC"), CERT("MIIB") CERT("MIIC") },
	{ KEY("MIIE") CERT("MIIB"), CERT("MIIB") },
	{ CERT("MIIB") KEY("MIIE") CERT("MIIC"), CERT("MIIB") CERT("MIIC") },
	{ CERT("MIIB") "-----BEGIN RSA PRIVATE KEY-----\nMIIE", CERT("MIIB") },
	{ "text\n" CERT("MIIB") "between\n" KEY("MIIE"), CERT("MIIB") },
	{ "-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n" KEY("MIIE"),
	    "-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n" },
	{ "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----", "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----" },
	{ "-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n-----END TRUSTED CERTIFICATE-----\n",
	    "-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n-----END TRUSTED CERTIFICATE-----\n" },
	/* Ends that are missing: OpenSSL shall complain, but of no key. */
	{ "-----BEGIN CERTIFICATE-----\nMIIB\n" KEY("MIIE"), "-----BEGIN CERTIFICATE-----\nMIIB\n" },
	{ "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----------BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
	    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----------BEGIN PRIVATE KEY-----\n" },
	{ "-----BEGIN PRIVATE KEY-----\nMIIE\n" CERT("MIIB"), CERT("MIIB") },
	{ "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n", "" },
	{ "-----BEGIN ", "" },
	{ "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----" },
};

static void
test_what_is_left(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		size_t len = strlen(cuts[i].text), left;

		strcpy(text, cuts[i].text);
		left = certfile_filter(text, len);
		assert_int_equal(left, strlen(cuts[i].left));
		assert_memory_equal(text, cuts[i].left, left);
		for (; left < len; left++)
			assert_int_equal(text[left], 0);
	}
}

static void
test_files_that_cannot_be_read(void **state)
{
	(void)state;
	openssl_begin();
	assert_null(certfile_read("/nonexistent/file", 100));
	assert_int_equal(errno, ENOENT);
	assert_null(certfile_read("/", 100));
	assert_int_equal(errno, EISDIR);
	assert_null(certfile_read("/proc/self/exe", 100));
	assert_int_equal(errno, EFBIG);
}

/* --- what OpenSSL has */

/* A piece of the key, as it stands in the file and as it decodes; found in what OpenSSL frees. */
static char secret_text[33];
static unsigned char secret_der[24];
static bool watching;
static unsigned found;

static CRYPTO_free_fn wiped_free;
static CRYPTO_malloc_fn unclean_malloc;

/* A new block may hold a key that this test's own stdio has left. */
static void *
clean_malloc(size_t size, const char *file, int line)
{
	void *at = unclean_malloc(size, file, line);

	if (at != NULL)
		explicit_bzero(at, malloc_usable_size(at));
	return at;
}

static bool
holds(const void *at, size_t len, const void *secret, size_t size)
{
	return memmem(at, len, secret, size) != NULL;
}

static void
watched_free(void *at, const char *file, int line)
{
	size_t len = watching && at != NULL ? malloc_usable_size(at) : 0;

	if (len > 0 && (holds(at, len, secret_text, 32) || holds(at, len, secret_der, sizeof(secret_der))))
		found++;
	wiped_free(at, file, line);
}

/* Stands before OpenSSL's own of this name, which it calls: our openssl.c installs its functions by it. */
int
CRYPTO_set_mem_functions(CRYPTO_malloc_fn allocate, CRYPTO_realloc_fn reallocate, CRYPTO_free_fn release)
{
	int (*next)(CRYPTO_malloc_fn, CRYPTO_realloc_fn, CRYPTO_free_fn);

	*(void **)&next = dlsym(RTLD_NEXT, "CRYPTO_set_mem_functions");
	wiped_free = release;
	unclean_malloc = allocate;
	return next(clean_malloc, reallocate, watched_free);
}

static char path[] = "/tmp/imapgate-certfile-XXXXXX";

/* An authority's certificate with its private key before it or behind it. */
static void
write_both(bool key_first)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *cert = X509_new();
	FILE *file = fopen(path, "w");
	X509_NAME *name = X509_get_subject_name(cert);
	BIO *text = BIO_new(BIO_s_mem());
	char *pem, *end;
	long len;

	X509_set_version(cert, X509_VERSION_3);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(text, &pem);
	/* Of the last line but one of an RSA key's text: the last of its numbers. */
	end = memrchr(pem, '-', (size_t)len);
	end = memmem(pem, (size_t)(end - pem), "\n-----END", 9);
	while (end[-65] != '\n')
		end--;
	memcpy(secret_text, end - 64, 32);
	assert_int_equal(EVP_DecodeBlock(secret_der, (const unsigned char *)secret_text, 32), 24);
	if (key_first)
		fwrite(pem, 1, (size_t)len, file);
	assert_int_equal(PEM_write_X509(file, cert), 1);
	if (!key_first)
		fwrite(pem, 1, (size_t)len, file);
	fclose(file);
	BIO_free(text);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
ignore_complaint(const char *file, const char *wrong)
{
	(void)file;
	(void)wrong;
}

/* The control: what a function of OpenSSL's that looks for certificates passes over is found. */
static void
test_key_is_found_where_openssl_has_it(void **state)
{
	BIO *bio;
	X509 *cert;

	(void)state;
	openssl_begin();
	write_both(true);
	bio = BIO_new_file(path, "r");
	found = 0;
	watching = true;
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	watching = false;
	assert_non_null(cert);
	assert_true(found > 0);
	X509_free(cert);
	BIO_free(bio);
}

static void
test_no_key_beside_a_certificate(void **state)
{
	static const struct tls_callbacks callbacks = { NULL, NULL, ignore_complaint };
	struct options opts = { .n_cert = 1 };
	struct tls tls;

	(void)state;
	opts.cert[0] = opts.key[0] = path;
	for (int first = 0; first < 2; first++) {
		write_both(first);
		found = 0;
		watching = true;
		tls_load(&tls, &opts, &callbacks);
		watching = false;
		assert_null(tls.error);
		assert_int_equal(tls.certificates, 1);
		assert_int_equal(found, 0);
		tls_free(&tls);
	}
}

static void
test_no_key_beside_an_authority(void **state)
{
	struct options opts = { .client_ca = path };
	const char *error_file;
	SSL_CTX *ctx;

	(void)state;
	for (int first = 0; first < 2; first++) {
		write_both(first);
		ctx = SSL_CTX_new(TLS_server_method());
		found = 0;
		watching = true;
		assert_null(clientca_request(ctx, &opts, &error_file));
		watching = false;
		assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(ctx)), 1);
		assert_int_equal(found, 0);
		SSL_CTX_free(ctx);
	}
}

static int
setup(void **state)
{
	(void)state;
	close(mkstemp(path));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_left),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_key_is_found_where_openssl_has_it),
		cmocka_unit_test(test_no_key_beside_a_certificate),
		cmocka_unit_test(test_no_key_beside_an_authority),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
