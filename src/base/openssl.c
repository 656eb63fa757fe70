/*
 * Initializes OpenSSL, see openssl.h. Run by monitors, both zygotes, the signer and --check, as
 * root; gates inherit it and reseed its random generators.
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
 * Wipes all memory that OpenSSL frees. The decoders free parts of a key unwiped, and a keeper may
 * keep that memory for days. A gate's memory has what clients have sent.
 */
static void
wipe_and_free(void *at, const char *file, int line)
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
	wipe_and_free(old, file, line);
	return at;
}

void
openssl_begin(void)
{
	static bool begun;
	const char *error;

	if (begun)
		return;
	begun = true;
	error = lazyload_openssl();
	errno = 0;
	if (error != NULL)
		die("OpenSSL can't be loaded: %s", error);
	/* OpenSSL refuses this, without effect, if it has allocated memory already. */
	CRYPTO_set_mem_functions(allocate, reallocate, wipe_and_free);
	/*
	 * Skips openssl.cnf, which is for other programs and out of reach in the sandbox. Skips
	 * the older names of ciphers, which OpenSSL 3.0 searches many times in each handshake.
	 * Names of digests stay: verifying certificates needs them.
	 */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ADD_ALL_CIPHERS, NULL);
}

void
openssl_reseed(void)
{
	/*
	 * The other generators are seeded from the primary one, and notice that it was reseeded
	 * (EVP_RAND(7)).
	 */
	EVP_RAND_CTX *primary = RAND_get0_primary(NULL);

	if (primary == NULL || EVP_RAND_reseed(primary, 0, NULL, 0, NULL, 0) != 1)
		die("can't reseed OpenSSL's random generators");
}
