/*
 * Real TLS handshakes, in memory, between a server whose keys are remote and
 * a client that verifies. What the gate would ask the monitor is answered by
 * the monitor's own functions, so its checks meet what OpenSSL really signs.
 */

#include "tls/remotekey.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "signer/sign.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "tls/publickey.h"
#include "unit.h"

enum who { RSA2048, P256, P384, P521, ED25519, WHO };

static const char *const curve[WHO] = { [P256] = "P-256", [P384] = "P-384", [P521] = "P-521" };

/* One certificate of each kind, and the monitor's side of all of them. */
static struct world {
	struct options	opts;
	struct sign_keys keys;
	EVP_PKEY	*key[WHO];
	X509		*cert[WHO];
	char		path[WHO][32];
	bool		refuses;	/* the monitor says no */
	unsigned	asked;		/* how often it was asked, and for what */
	uint32_t	scheme;
	uint32_t	index;
} world;

/* What ask_sign does, without a socket between. */
static size_t
ask(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	struct world *w = arg;
	struct msg_sign q = { .index = index, .scheme = scheme, .len = (uint32_t)len };
	struct msg_sign_answer a;

	w->asked++;
	w->scheme = scheme;
	w->index = index;
	if (w->refuses || len > sizeof(q.tbs))
		return 0;
	memcpy(q.tbs, tbs, len);
	sign_answer(&w->keys, &q, &a);
	assert_true(a.len <= size);
	memcpy(signature, a.signature, a.len);
	return a.len;
}

static X509 *
make_certificate(EVP_PKEY *key, int serial, bool digest)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_NAME_new();
	unsigned char *der = NULL;
	const unsigned char *at;
	char text[32];
	int len;

	snprintf(text, sizeof(text), "imap%d.example.org", serial);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0);
	X509_set_subject_name(cert, name);
	X509_set_issuer_name(cert, name);
	X509_NAME_free(name);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, digest ? EVP_sha256() : NULL) > 0);

	/* A certificate that was just made still holds the private key: there and back again, as it comes from a file. */
	len = i2d_X509(cert, &der);
	X509_free(cert);
	at = der;
	cert = d2i_X509(NULL, &at, len);
	assert_non_null(cert);
	OPENSSL_free(der);
	return cert;
}

static int
setup(void **state)
{
	uint8_t key_digest[MSG_DIGEST_LEN];

	for (enum who i = 0; i < WHO; i++) {
		EVP_PKEY *key = i == RSA2048 ? EVP_RSA_gen(2048) : i == ED25519 ?
		    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen(curve[i]);
		FILE *file;

		strcpy(world.path[i], "/tmp/test_remotekey.XXXXXX");
		file = fdopen(mkstemp(world.path[i]), "w");
		assert_non_null(file);
		assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
		fclose(file);
		world.key[i] = key;
		world.cert[i] = make_certificate(key, (int)i + 1, i != ED25519);
		world.opts.key[i] = world.path[i];
	}
	world.opts.n_cert = WHO;
	world.keys.opts = &world.opts;
	for (enum who i = 0; i < WHO; i++) {
		assert_true(publickey_digest(X509_get0_pubkey(world.cert[i]), key_digest));
		assert_null(sign_answer_key(&world.keys, i, key_digest));
	}
	*state = &world;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sign_forget(&world.keys);
	for (enum who i = 0; i < WHO; i++) {
		unlink(world.path[i]);
		EVP_PKEY_free(world.key[i]);
		X509_free(world.cert[i]);
	}
	return 0;
}

static EVP_PKEY *
remote(enum who who)
{
	EVP_PKEY *key = remotekey_new(X509_get0_pubkey(world.cert[who]), who, ask, &world);

	assert_non_null(key);
	return key;
}

/* --- handshakes */

#define BIT(who)	(1U << (who))

struct handshake {
	const char	*story;
	unsigned	certs;		/* BIT(who) of those that the server has */
	int		version;
	const char	*client_sigalgs;
	const char	*server_sigalgs;
	const char	*client_groups;
	const char	*server_groups;
	uint32_t	scheme;		/* that is used; 0: the handshake fails before anything is signed */
	bool		retry;		/* with a HelloRetryRequest */
};

#define TLS12	TLS1_2_VERSION
#define TLS13	TLS1_3_VERSION

static const struct handshake handshakes[] = {
	{ "RSA, 1.3", BIT(RSA2048), TLS13, NULL, NULL, NULL, NULL, 0x0804, false },
	{ "RSA, 1.3, SHA-384", BIT(RSA2048), TLS13, "RSA-PSS+SHA384", NULL, NULL, NULL, 0x0805, false },
	{ "RSA, 1.3, the server's wish", BIT(RSA2048), TLS13, NULL, "RSA-PSS+SHA512", NULL, NULL, 0x0806, false },
	{ "RSA, 1.3, with PKCS#1 only", BIT(RSA2048), TLS13, "RSA+SHA256", NULL, NULL, NULL, 0, false },
	{ "RSA, 1.2", BIT(RSA2048), TLS12, NULL, NULL, NULL, NULL, 0x0804, false },
	{ "RSA, 1.2, with PKCS#1 only", BIT(RSA2048), TLS12, "RSA+SHA256", NULL, NULL, NULL, 0x0401, false },
	{ "RSA, 1.2, PKCS#1 and SHA-384", BIT(RSA2048), TLS12, "RSA+SHA384", NULL, NULL, NULL, 0x0501, false },
	{ "RSA, 1.2, the server's wish", BIT(RSA2048), TLS12, NULL, "RSA+SHA512", NULL, NULL, 0x0601, false },
	{ "RSA, 1.2, PSS and SHA-384", BIT(RSA2048), TLS12, "RSA-PSS+SHA384", NULL, NULL, NULL, 0x0805, false },
	{ "RSA, 1.2, PSS and SHA-512", BIT(RSA2048), TLS12, "RSA-PSS+SHA512", NULL, NULL, NULL, 0x0806, false },
	{ "RSA, 1.2, with SHA-1 only", BIT(RSA2048), TLS12, "RSA+SHA1", "RSA+SHA1", NULL, NULL, 0, false },
	{ "RSA, 1.2, SHA-1 first", BIT(RSA2048), TLS12, "RSA+SHA1:RSA+SHA256", NULL, NULL, NULL, 0x0401, false },
	{ "P-256, 1.3", BIT(P256), TLS13, NULL, NULL, NULL, NULL, 0x0403, false },
	{ "P-256, 1.2", BIT(P256), TLS12, NULL, NULL, NULL, NULL, 0x0403, false },
	{ "P-256, 1.3, wrong curve", BIT(P256), TLS13, "ECDSA+SHA384", NULL, NULL, NULL, 0, false },
	{ "P-256, 1.2, where any digest will do", BIT(P256), TLS12, "ECDSA+SHA384", NULL, NULL, NULL, 0x0503, false },
	{ "P-256, 1.2, SHA-512", BIT(P256), TLS12, "ECDSA+SHA512", NULL, NULL, NULL, 0x0603, false },
	{ "P-384, 1.3", BIT(P384), TLS13, NULL, NULL, NULL, NULL, 0x0503, false },
	{ "P-384, 1.2", BIT(P384), TLS12, "ECDSA+SHA384", NULL, NULL, NULL, 0x0503, false },
	{ "P-384, 1.2, SHA-256", BIT(P384), TLS12, "ECDSA+SHA256", NULL, NULL, NULL, 0x0403, false },
	{ "P-521, 1.3", BIT(P521), TLS13, NULL, NULL, NULL, NULL, 0x0603, false },
	{ "P-521, 1.2", BIT(P521), TLS12, "ECDSA+SHA512", NULL, NULL, NULL, 0x0603, false },
	{ "Ed25519, 1.3", BIT(ED25519), TLS13, NULL, NULL, NULL, NULL, 0x0807, false },
	{ "Ed25519, 1.2", BIT(ED25519), TLS12, NULL, NULL, NULL, NULL, 0x0807, false },
	{ "Ed25519, unknown to the client", BIT(ED25519), TLS13, "ECDSA+SHA256", NULL, NULL, NULL, 0, false },
	{ "both, 1.3, an RSA client", BIT(RSA2048) | BIT(P256), TLS13, "RSA-PSS+SHA256", NULL, NULL, NULL, 0x0804, false },
	{ "both, 1.3, an ECDSA client", BIT(RSA2048) | BIT(P256), TLS13, "ECDSA+SHA256", NULL, NULL, NULL, 0x0403, false },
	{ "both, 1.2, an RSA client", BIT(RSA2048) | BIT(P256), TLS12, "RSA+SHA256", NULL, NULL, NULL, 0x0401, false },
	{ "both, 1.2, an ECDSA client", BIT(RSA2048) | BIT(P256), TLS12, "ECDSA+SHA256", NULL, NULL, NULL, 0x0403, false },
	{ "three, 1.3", BIT(RSA2048) | BIT(P256) | BIT(ED25519), TLS13, "ed25519", NULL, NULL, NULL, 0x0807, false },
	{ "retry, RSA", BIT(RSA2048), TLS13, NULL, NULL, "P-384:X25519", "X25519", 0x0804, true },
	{ "retry, P-256", BIT(P256), TLS13, NULL, NULL, "X25519:P-521", "P-521", 0x0403, true },
	{ "1.2, P-256 as group", BIT(RSA2048), TLS12, NULL, NULL, "P-256", NULL, 0x0804, false },
	{ "1.2, P-384 as group", BIT(RSA2048), TLS12, NULL, NULL, "P-384", NULL, 0x0804, false },
	{ "1.2, P-521 as group", BIT(RSA2048), TLS12, NULL, NULL, "P-521", NULL, 0x0804, false },
	{ "1.2, X448 as group", BIT(RSA2048), TLS12, NULL, NULL, "X448", "X448", 0x0804, false },
};

/* Counts what begins like a ServerHello: a HelloRetryRequest is one too (RFC 8446, 4.1.4). */
static void
count_hellos(int sent, int version, int type, const void *buf, size_t len, SSL *ssl, void *arg)
{
	unsigned *hellos = arg;

	(void)version;
	(void)ssl;
	if (sent && type == SSL3_RT_HANDSHAKE && len > 0 && *(const unsigned char *)buf == SSL3_MT_SERVER_HELLO)
		(*hellos)++;
}

static SSL_CTX *
server_context(const struct handshake *h)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	for (enum who i = 0; i < WHO; i++) {
		EVP_PKEY *key;

		if ((h->certs & BIT(i)) == 0)
			continue;
		key = remote(i);
		assert_int_equal(SSL_CTX_use_certificate(ctx, world.cert[i]), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
		assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
		EVP_PKEY_free(key);
	}
	if (h->server_sigalgs != NULL)
		assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, h->server_sigalgs), 1);
	if (h->server_groups != NULL)
		assert_int_equal(SSL_CTX_set1_groups_list(ctx, h->server_groups), 1);
	return ctx;
}

static SSL_CTX *
client_context(const struct handshake *h)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	for (enum who i = 0; i < WHO; i++)
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), world.cert[i]);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_min_proto_version(ctx, h->version);
	SSL_CTX_set_max_proto_version(ctx, h->version);
	if (h->client_sigalgs != NULL)
		assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, h->client_sigalgs), 1);
	if (h->client_groups != NULL)
		assert_int_equal(SSL_CTX_set1_groups_list(ctx, h->client_groups), 1);
	return ctx;
}

/* Lets both speak until they are done or one has failed. */
static bool
shake_hands(SSL *server, SSL *client)
{
	int s = 0, c = 0;

	for (int turn = 0; turn < 20 && (s != 1 || c != 1); turn++) {
		if (c != 1 && (c = SSL_connect(client)) != 1 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ)
			return false;
		if (s != 1 && (s = SSL_accept(server)) != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ)
			return false;
	}
	return s == 1 && c == 1;
}

static bool
say_hello(SSL *server, SSL *client)
{
	char text[16] = "";

	return SSL_write(server, "* OK", 4) == 4 && SSL_read(client, text, sizeof(text)) == 4 &&
	    strcmp(text, "* OK") == 0;
}

/* Plays one handshake. Leaves what the server said on OpenSSL's error queue. */
static bool
play(const struct handshake *h, unsigned *hellos)
{
	SSL_CTX *sctx = server_context(h), *cctx = client_context(h);
	SSL *server = SSL_new(sctx), *client = SSL_new(cctx);
	BIO *sbio, *cbio;
	bool done;

	assert_int_equal(BIO_new_bio_pair(&sbio, 65536, &cbio, 65536), 1);
	SSL_set_bio(server, sbio, sbio);
	SSL_set_bio(client, cbio, cbio);
	SSL_set_msg_callback(server, count_hellos);
	SSL_set_msg_callback_arg(server, hellos);
	world.asked = 0;
	ERR_clear_error();
	done = shake_hands(server, client) && say_hello(server, client);
	if (done)
		assert_int_equal(SSL_get_verify_result(client), X509_V_OK);
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(sctx);
	SSL_CTX_free(cctx);
	return done;
}

static void
test_handshakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(handshakes) / sizeof(handshakes[0]); i++) {
		const struct handshake *h = &handshakes[i];
		unsigned hellos = 0;
		bool done = play(h, &hellos);

		if (done != (h->scheme != 0) || world.asked != done || (done && world.scheme != h->scheme) ||
		    (done && hellos != 1U + h->retry)) {
			ERR_print_errors_fp(stderr);
			fail_msg("%s: done=%d asked=%u scheme=0x%04x hellos=%u", h->story, done, world.asked,
			    (unsigned)world.scheme, hellos);
		}
	}
	ERR_clear_error();
}

static void
test_refusal(void **state)
{
	static const struct handshake refused[] = {
		{ "1.3", BIT(P256), TLS13, NULL, NULL, NULL, NULL, 0, false },
		{ "1.2", BIT(RSA2048), TLS12, NULL, NULL, NULL, NULL, 0, false },
	};
	unsigned hellos = 0;

	(void)state;
	world.refuses = true;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_false(play(&refused[i], &hellos));
		assert_int_equal(world.asked, 1);
		assert_int_equal(ERR_GET_REASON(ERR_get_error()), ERR_R_OPERATION_FAIL);
		ERR_clear_error();
	}
	world.refuses = false;
	assert_true(play(&handshakes[0], &hellos));
}

/* --- the key itself */

static void
test_is_no_private_key(void **state)
{
	(void)state;
	for (enum who i = 0; i < WHO; i++) {
		EVP_PKEY *key = remote(i);
		OSSL_PARAM *params = NULL;
		unsigned char *der = NULL;
		BIGNUM *d = NULL;
		BIO *bio = BIO_new(BIO_s_mem());
		size_t len = 0;

		assert_true(i2d_PrivateKey(key, &der) <= 0);
		assert_false(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
		assert_int_equal(BIO_pending(bio), 0);
		assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params), 0);
		assert_null(params);
		assert_int_equal(EVP_PKEY_get_bn_param(key, i == RSA2048 ? "d" : "priv", &d), 0);
		assert_int_equal(EVP_PKEY_get_raw_private_key(key, NULL, &len), 0);
		assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params), 1);
		OSSL_PARAM_free(params);
		BIO_free(bio);
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
}

static void
test_is_its_public_key(void **state)
{
	(void)state;
	for (enum who i = 0; i < WHO; i++) {
		EVP_PKEY *key = remote(i), *again = remote(i);

		assert_int_equal(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(world.key[i]));
		assert_int_equal(EVP_PKEY_get_security_bits(key), EVP_PKEY_get_security_bits(world.key[i]));
		assert_int_equal(EVP_PKEY_get_size(key), EVP_PKEY_get_size(world.key[i]));
		assert_int_equal(EVP_PKEY_get_base_id(key), EVP_PKEY_get_base_id(world.key[i]));
		assert_int_equal(EVP_PKEY_eq(key, X509_get0_pubkey(world.cert[i])), 1);
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(world.cert[i]), key), 1);
		assert_int_equal(EVP_PKEY_eq(again, key), 1);
		for (enum who j = 0; j < WHO; j++)
			assert_int_equal(X509_check_private_key(world.cert[j], key), i == j);
		EVP_PKEY_free(key);
		EVP_PKEY_free(again);
	}
	ERR_clear_error();
}

/* Everything but TLS's own way to ask for a signature. */
static void
test_signs_nothing_else(void **state)
{
	static const char *const digests[] = { "SHA1", "MD5-SHA1", "SHA224", "SHA512-256", "SHA3-256", "MD5" };
	uint8_t tbs[130] = { 0 }, signature[512];
	EVP_PKEY *key = remote(RSA2048);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t len = sizeof(signature);

	(void)state;
	world.asked = 0;
	assert_true(EVP_PKEY_sign_init(ctx) <= 0);
	EVP_PKEY_CTX_free(ctx);
	ctx = EVP_PKEY_CTX_new(key, NULL);
	assert_true(EVP_PKEY_decrypt_init(ctx) <= 0);
	EVP_PKEY_CTX_free(ctx);
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		assert_int_equal(EVP_DigestSignInit_ex(md, NULL, digests[i], NULL, NULL, key, NULL), 0);
		EVP_MD_CTX_reset(md);
	}

	/* PSS with another salt, another MGF1, no padding: no TLS scheme is like that. */
	assert_int_equal(EVP_DigestSignInit_ex(md, &ctx, "SHA256", NULL, NULL, key, NULL), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
	assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_MAX) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 20) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0);
	assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha1()) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0);

	/* And the monitor looks at what is to be signed. */
	assert_int_equal(world.asked, 0);
	assert_int_equal(EVP_DigestSign(md, signature, &len, tbs, sizeof(tbs)), 0);
	assert_int_equal(world.asked, 1);
	assert_int_equal(world.scheme, 0x0804);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

/* Other users of OpenSSL in the process must never meet our provider. */
static void
test_is_isolated(void **state)
{
	EVP_PKEY *key = remote(P256);
	EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(NULL, "ECDSA", "provider=imapgate");

	(void)state;
	assert_null(signature);
	signature = EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL);
	assert_non_null(signature);
	EVP_SIGNATURE_free(signature);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static void
test_other_types(void **state)
{
	EVP_PKEY *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");

	(void)state;
	assert_null(remotekey_new(x25519, 0, ask, &world));
	assert_int_not_equal(ERR_peek_error(), 0);
	ERR_clear_error();
	EVP_PKEY_free(x25519);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_is_no_private_key),
		cmocka_unit_test(test_is_its_public_key),
		cmocka_unit_test(test_signs_nothing_else),
		cmocka_unit_test(test_is_isolated),
		cmocka_unit_test(test_other_types),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
