/*
 * The monitor's keys: which files are keys, and which messages are signed.
 * A hostile gate may send anything, so each message that is right is also
 * tried with each of its octets wrong.
 */

#include "signer/sign.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/publickey.h"
#include "unit.h"

enum who {
	RSA2048,
	P256,
	P384,
	P521,
	ED25519,
	WHO
};

static EVP_PKEY *key[WHO];
static uint8_t key_digest[WHO][MSG_DIGEST_LEN];
static char path[WHO][64];
static char dir[] = "/tmp/test_sign.XXXXXX";
static struct options opts;
static struct sign_keys keys;

/* --- files */

static char *
in_dir(const char *name)
{
	static char full[64];

	snprintf(full, sizeof(full), "%s/%s", dir, name);
	return full;
}

/* Appends a private key to a file, encrypted if there is a cipher. */
static void
write_key(const char *name, EVP_PKEY *k, const EVP_CIPHER *cipher, bool traditional)
{
	BIO *bio = BIO_new_file(name, "a");
	char phrase[] = "open sesame";
	int len = cipher != NULL ? (int)strlen(phrase) : 0;

	assert_non_null(bio);
	if (traditional)
		assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, k, cipher, (unsigned char *)phrase, len, NULL, NULL), 1);
	else
		assert_int_equal(PEM_write_bio_PrivateKey(bio, k, cipher, (unsigned char *)phrase, len, NULL, NULL), 1);
	BIO_free(bio);
	chmod(name, 0600);
}

static void
write_text(const char *name, const char *text)
{
	FILE *f = fopen(name, "a");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(name, 0600);
}

static int
setup(void **state)
{
	static const char *const curve[WHO] = { [P256] = "P-256", [P384] = "P-384", [P521] = "P-521" };

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (enum who i = 0; i < WHO; i++) {
		key[i] = i == RSA2048 ? EVP_RSA_gen(2048) :
		    i == ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen(curve[i]);
		assert_true(publickey_digest(key[i], key_digest[i]));
		snprintf(path[i], sizeof(path[i]), "%s/%d", dir, (int)i);
		write_key(path[i], key[i], NULL, false);
		opts.key[i] = path[i];
	}
	opts.n_cert = WHO;
	keys.opts = &opts;
	for (enum who i = 0; i < WHO; i++)
		assert_null(sign_answer_key(&keys, i, key_digest[i]));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sign_forget(&keys);
	for (enum who i = 0; i < WHO; i++) {
		EVP_PKEY_free(key[i]);
		unlink(path[i]);
	}
	return rmdir(dir);
}

/* Does a file hold this key? The file is removed. */
static bool
holds(const char *name, enum who who)
{
	struct options o = { .n_cert = 1, .key[0] = name };
	struct sign_keys k = { .opts = &o };
	bool held = sign_answer_key(&k, 0, key_digest[who]) == NULL;

	assert_int_equal(ERR_peek_error(), 0);
	sign_forget(&k);
	remove(name);
	return held;
}

static void
test_good_files(void **state)
{
	const char *name = in_dir("key");

	(void)state;
	write_key(name, key[RSA2048], NULL, true);
	assert_true(holds(name, RSA2048));
	write_key(name, key[P256], NULL, true);
	assert_true(holds(name, P256));

	/* As openssl-ecparam(1) writes it, and with text and a certificate's remains around. */
	write_text(name, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
	write_key(name, key[P256], NULL, true);
	assert_true(holds(name, P256));
	write_text(name, "my key\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
	write_key(name, key[ED25519], NULL, false);
	write_text(name, "the end\n");
	assert_true(holds(name, ED25519));

	/* The first key is the one. */
	write_key(name, key[P384], NULL, false);
	write_key(name, key[P256], NULL, false);
	assert_true(holds(name, P384));

	/* Everybody may read it: a warning, but it works. */
	write_key(name, key[P256], NULL, false);
	chmod(name, 0644);
	assert_true(holds(name, P256));
}

static void
test_bad_files(void **state)
{
	static const char public_key[] = "-----BEGIN PUBLIC KEY-----\n"
	    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
	static const char *const other_types[] = { "X25519", "ED448" };
	const char *name = in_dir("key");
	EVP_PKEY *other;

	(void)state;
	assert_false(holds(name, RSA2048));			/* missing */
	write_text(name, "");
	assert_false(holds(name, RSA2048));
	write_text(name, "no key at all\n");
	assert_false(holds(name, RSA2048));
	write_text(name, public_key);
	assert_false(holds(name, ED25519));
	write_text(name, "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n");
	assert_false(holds(name, ED25519));			/* cut off */
	write_key(name, key[P256], EVP_aes_128_cbc(), false);
	assert_false(holds(name, P256));			/* encrypted, PKCS #8 */
	write_key(name, key[RSA2048], EVP_aes_128_cbc(), true);
	assert_false(holds(name, RSA2048));			/* encrypted, as in the last century */
	write_key(name, key[P256], NULL, false);
	assert_false(holds(name, P384));			/* somebody else's */
	write_key(name, key[P256], NULL, false);
	assert_int_equal(truncate(name, 1024 * 1024), 0);
	assert_false(holds(name, P256));			/* too large */
	assert_int_equal(mkdir(name, 0700), 0);
	assert_false(holds(name, P256));
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_false(holds(name, P256));			/* and it did not wait for a writer */
	assert_false(holds("/dev/zero/nothing", P256));

	for (size_t i = 0; i < sizeof(other_types) / sizeof(other_types[0]); i++) {
		other = EVP_PKEY_Q_keygen(NULL, NULL, other_types[i]);
		write_key(name, other, NULL, false);
		EVP_PKEY_free(other);
		assert_false(holds(name, P256));
	}
}

static void
test_index(void **state)
{
	static const uint32_t wrong[] = { WHO, OPTIONS_CERTS_MAX, 0x80000000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(sign_answer_key(&keys, wrong[i], key_digest[0]));
	for (enum who i = 0; i < WHO; i++)
		for (enum who j = 0; j < WHO; j++)
			assert_int_equal(sign_answer_key(&keys, i, key_digest[j]) == NULL, i == j);
}

/* --- messages */

/* What is right, by its form: TLS 1.3 with two hashes, TLS 1.2 with five curves. */
struct form {
	const char	*name;
	uint32_t	len;
	uint8_t		params[5];	/* of TLS 1.2, behind the randoms */
	uint32_t	fixed;		/* octets from 64 on that may not be altered */
};

static const struct form forms[] = {
	{ "1.3, SHA-256", 64 + 34 + 32, { 0 }, 34 },
	{ "1.3, SHA-384", 64 + 34 + 48, { 0 }, 34 },
	{ "secp256r1", 64 + 4 + 65, { 3, 0, 23, 65, 4 }, 5 },
	{ "secp384r1", 64 + 4 + 97, { 3, 0, 24, 97, 4 }, 5 },
	{ "secp521r1", 64 + 4 + 133, { 3, 0, 25, 133, 4 }, 5 },
	{ "x25519", 64 + 4 + 32, { 3, 0, 29, 32, 9 }, 4 },
	{ "x448", 64 + 4 + 56, { 3, 0, 30, 56, 9 }, 4 },
};

#define FORMS	(sizeof(forms) / sizeof(forms[0]))

static bool
is_13(const struct form *f)
{
	return f->params[0] == 0;
}

static struct msg_sign
message(const struct form *f, enum who who, uint32_t scheme)
{
	struct msg_sign q = { .index = who, .scheme = scheme, .len = f->len };

	memset(q.tbs, 0x5a, f->len);
	if (is_13(f)) {
		memset(q.tbs, ' ', 64);
		memcpy(q.tbs + 64, "TLS 1.3, server CertificateVerify", 34);
	} else
		memcpy(q.tbs + 64, f->params, sizeof(f->params));
	return q;
}

/* Is the signature one of this message, by this scheme? */
static bool
verifies(const struct msg_sign *q, const struct msg_sign_answer *a)
{
	static const char *const digest[] = { [4] = "SHA256", [5] = "SHA384", [6] = "SHA512" };
	bool pss = q->scheme >= 0x0804 && q->scheme <= 0x0806;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	const char *name = q->scheme == 0x0807 ? NULL : digest[pss ? q->scheme & 0xf : q->scheme >> 8];
	bool ok = EVP_DigestVerifyInit_ex(md, &ctx, name, NULL, NULL, key[q->index], NULL) == 1;

	if (pss)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestVerify(md, a->signature, a->len, q->tbs, q->len) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

/* Asks. What is signed must verify, what is not must leave no trace. */
static bool
is_signed(const struct msg_sign *q)
{
	static const struct msg_sign_answer nothing;
	struct msg_sign_answer a;

	memset(&a, 0xff, sizeof(a));
	sign_answer(&keys, q, &a);
	assert_int_equal(ERR_peek_error(), 0);
	if (a.len == 0) {
		assert_memory_equal(&a, &nothing, sizeof(a));
		return false;
	}
	assert_true(verifies(q, &a));
	return true;
}

/* Which key may be used by which scheme in which version. */
static const struct {
	uint32_t	scheme;
	unsigned	tls13;		/* keys, a bit for each */
	unsigned	tls12;
} matrix[] = {
#define RSA	(1U << RSA2048)
#define EC	(1U << P256 | 1U << P384 | 1U << P521)
	{ 0x0401, 0, RSA },
	{ 0x0501, 0, RSA },
	{ 0x0601, 0, RSA },
	{ 0x0804, RSA, RSA },
	{ 0x0805, RSA, RSA },
	{ 0x0806, RSA, RSA },
	{ 0x0403, 1U << P256, EC },
	{ 0x0503, 1U << P384, EC },
	{ 0x0603, 1U << P521, EC },
	{ 0x0807, 1U << ED25519, 1U << ED25519 },
	/* SHA-1, SHA-224, DSA, Ed448, rsa_pss_pss, brainpool, and what is none */
	{ 0x0201, 0, 0 }, { 0x0203, 0, 0 }, { 0x0301, 0, 0 }, { 0x0303, 0, 0 }, { 0x0402, 0, 0 }, { 0x0808, 0, 0 },
	{ 0x0809, 0, 0 }, { 0x080a, 0, 0 }, { 0x080b, 0, 0 }, { 0x081a, 0, 0 }, { 0, 0, 0 }, { 0xffff, 0, 0 },
	{ 0x10403, 0, 0 }, { 0xffff0804, 0, 0 },
};

static void
test_schemes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++)
		for (enum who who = 0; who < WHO; who++)
			for (size_t f = 0; f < FORMS; f++) {
				struct msg_sign q = message(&forms[f], who, matrix[i].scheme);
				unsigned may = is_13(&forms[f]) ? matrix[i].tls13 : matrix[i].tls12;

				if (is_signed(&q) != ((may >> who & 1) != 0))
					fail_msg("scheme 0x%04x, key %d, %s", (unsigned)matrix[i].scheme, (int)who, forms[f].name);
			}
}

/* Every length but the right one is wrong. */
static void
test_lengths(void **state)
{
	static const uint32_t large[] = { MSG_TBS_MAX + 1, 0x7fffffff, 0x80000000, UINT32_MAX };

	(void)state;
	for (size_t f = 0; f < FORMS; f++) {
		struct msg_sign q = message(&forms[f], P256, 0x0403);

		for (q.len = 0; q.len <= MSG_TBS_MAX; q.len++) {
			bool right = q.len == forms[f].len || (is_13(&forms[f]) && (q.len == 130 || q.len == 146));

			if (is_signed(&q) != right)
				fail_msg("%s with length %u", forms[f].name, (unsigned)q.len);
		}
		for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
			q.len = large[i];
			assert_false(is_signed(&q));
		}
	}
}

/* Each octet altered: what TLS fixes is refused, what it leaves open is signed. */
static void
test_octets(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMS; f++)
		for (uint32_t at = 0; at < forms[f].len; at++)
			for (uint8_t bit = 1; bit != 0; bit = (uint8_t)(bit << 1)) {
				struct msg_sign q = message(&forms[f], P256, 0x0403);
				bool fixed = at >= 64 ? at < 64 + forms[f].fixed : is_13(&forms[f]);

				q.tbs[at] ^= bit;
				if (is_signed(&q) == fixed)
					fail_msg("%s, octet %u with bit 0x%02x", forms[f].name, (unsigned)at, bit);
			}
}

/* Messages of which somebody might think that a server signs them. */
static void
test_other_messages(void **state)
{
	static const uint8_t brainpool[] = { 3, 0, 26, 65, 4 }, compressed[] = { 3, 0, 23, 33, 2 };
	static const uint8_t explicit_prime[] = { 1, 0, 23, 65, 4 }, dhe[] = { 1, 0, 0xff, 0xff, 0xff };
	const struct {
		const uint8_t	*params;
		uint32_t	len;
	} bad[] = { { brainpool, 133 }, { compressed, 101 }, { explicit_prime, 133 }, { dhe, MSG_TBS_MAX } };
	struct msg_sign q = message(&forms[0], P256, 0x0403);

	(void)state;
	memcpy(q.tbs + 64, "TLS 1.3, client CertificateVerify", 34);
	assert_false(is_signed(&q));

	/* TLS 1.2 whose randoms are the spaces of TLS 1.3: that is for the client to worry about, it is 1.2 only. */
	q = message(&forms[2], P256, 0x0403);
	memset(q.tbs, ' ', 64);
	assert_true(is_signed(&q));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		q = message(&forms[2], P256, 0x0403);
		memcpy(q.tbs + 64, bad[i].params, 5);
		q.len = bad[i].len;
		assert_false(is_signed(&q));
	}
}

static void
test_keys_not_there(void **state)
{
	struct msg_sign q = message(&forms[0], P256, 0x0403);

	(void)state;
	assert_true(is_signed(&q));
	q.index = WHO;
	assert_false(is_signed(&q));
	q.index = UINT32_MAX;
	assert_false(is_signed(&q));

	/* Forgotten, a key must be asked for again. */
	sign_forget(&keys);
	q.index = P256;
	assert_false(is_signed(&q));
	assert_null(sign_answer_key(&keys, P256, key_digest[P256]));
	assert_true(is_signed(&q));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_files),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_other_messages),
		cmocka_unit_test(test_keys_not_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
