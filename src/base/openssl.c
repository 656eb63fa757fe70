/*
 * How OpenSSL begins, see openssl.h. Run by every process of ours that has a
 * use for it: gates, monitors, zygotes, the signer and --check.
 */

#include "base/openssl.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/lazyload.h"
#include "base/log.h"

/*
 * All that OpenSSL frees is wiped: its decoders free what they have read of a
 * key as it is, and a keeper may live beside that memory for days. In a gate
 * it is what clients have said.
 */
static void
free_wiped(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	if (at != NULL)
		explicit_bzero(at, malloc_usable_size(at));
	free(at);
}

static void *
allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void *
reallocate(void *old, size_t size, const char *file, int line)
{
	size_t len = old != NULL ? malloc_usable_size(old) : 0;
	void *at = size > 0 ? malloc(size) : NULL;

	if (size > 0 && at == NULL)
		return NULL;
	if (len > 0 && at != NULL)
		memcpy(at, old, len < size ? len : size);
	free_wiped(old, file, line);
	return at;
}

void
openssl_begin(void)
{
	static bool begun;
	const char *wrong;

	if (begun)
		return;
	begun = true;
	wrong = lazyload_openssl();
	errno = 0;
	if (wrong != NULL)
		die("OpenSSL can't be loaded: %s", wrong);
	/* Refused, and so without effect, when OpenSSL has allocated something already. */
	CRYPTO_set_mem_functions(allocate, reallocate, free_wiped);
	/*
	 * openssl.cnf is made for other programs, and can't be read in the sandbox.
	 * Nobody here looks for a cipher by one of its older names, and OpenSSL 3.0
	 * walks through all names that there are in each handshake, many times.
	 * Those of digests are needed: by them signatures of certificates are checked.
	 */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ADD_ALL_CIPHERS, NULL);
}

void
openssl_forked(void)
{
	/* All other generators have their seeds from this one, and see that it has a new one (EVP_RAND(7)). */
	EVP_RAND_CTX *primary = RAND_get0_primary(NULL);

	if (primary == NULL || EVP_RAND_reseed(primary, 0, NULL, 0, NULL, 0) != 1)
		die("OpenSSL's random numbers");
}
