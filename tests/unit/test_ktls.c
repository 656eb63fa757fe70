/*
 * Taking a TLS session over from OpenSSL, without a kernel: both ends are in
 * this process, and each record passes through our hands. If the keys and the
 * record's number are right, the next record of either side can be opened by
 * whoever knows them; if one of them is wrong, it can't.
 */

#include <openssl/err.h>
#include <unistd.h>

#include "gate/ktls.h"
#include "unit.h"

/* A record: header, perhaps an explicit nonce, the text, a tag (RFC 5246, 6.2.3.3; RFC 8446, 5.2). */
#define HEADER		5
#define EXPLICIT	8
#define TAG		16

static const struct suite {
	int		version;
	const char	*name;
	const EVP_CIPHER *(*cipher)(void);
	bool		explicit_nonce;
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", EVP_aes_128_gcm, false },
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", EVP_aes_256_gcm, false },
	{ TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", EVP_chacha20_poly1305, false },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", EVP_aes_128_gcm, true },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", EVP_aes_256_gcm, true },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", EVP_chacha20_poly1305, false },
};
#define SUITES	(sizeof(suites) / sizeof(suites[0]))

/* What a handshake may have beside the usual. */
#define RETRY		1	/* the client's first share is of a group that the server does not want */
#define CERTIFICATE	2	/* the client has one too */
#define TICKETS		4
#define RESUMED		8	/* with one of them */

static EVP_PKEY *key;
static X509 *cert;

struct both {
	SSL_CTX		*server_ctx, *client_ctx;
	SSL		*server, *client;
	struct ktls	 ktls;
	SSL_SESSION	*session;
};

static int
make_certificate(void **state)
{
	(void)state;
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	assert_non_null(key);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	return X509_sign(cert, key, EVP_sha256()) == 0;
}

static int
forget_certificate(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	X509_free(cert);
	return 0;
}

static int
accept_any(int verified, X509_STORE_CTX *store)
{
	(void)verified;
	(void)store;
	return 1;
}

/* The client keeps the last ticket. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct both *b = SSL_get_app_data(ssl);

	SSL_SESSION_free(b->session);
	b->session = session;
	return 1;
}

static SSL_CTX *
new_context(const SSL_METHOD *method, const struct suite *s)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	assert_non_null(ctx);
	SSL_CTX_set_min_proto_version(ctx, s->version);
	SSL_CTX_set_max_proto_version(ctx, s->version);
	assert_int_equal(s->version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(ctx, s->name) : SSL_CTX_set_cipher_list(ctx, s->name), 1);
	return ctx;
}

static void
make_contexts(struct both *b, const struct suite *s, int with)
{
	memset(b, 0, sizeof(*b));
	b->server_ctx = new_context(TLS_server_method(), s);
	b->client_ctx = new_context(TLS_client_method(), s);
	assert_int_equal(SSL_CTX_use_cert_and_key(b->server_ctx, cert, key, NULL, 1), 1);
	/* TLS 1.2 wants the certificate's curve among them. */
	if (with & RETRY)
		assert_int_equal(SSL_CTX_set1_groups_list(b->server_ctx, s->version == TLS1_3_VERSION ? "P-384" : "P-384:P-256"), 1);
	if (with & CERTIFICATE) {
		SSL_CTX_set_verify(b->server_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
		SSL_CTX_set_session_id_context(b->server_ctx, (const unsigned char *)"x", 1);
		assert_int_equal(SSL_CTX_use_cert_and_key(b->client_ctx, cert, key, NULL, 1), 1);
	}
	SSL_CTX_set_num_tickets(b->server_ctx, with & TICKETS ? 2 : 0);
	if (!(with & TICKETS))
		SSL_CTX_set_options(b->server_ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(b->client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(b->client_ctx, keep_session);
}

static void
connect_both(struct both *b)
{
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

	ktls_watch(&b->ktls, b->server_ctx, OBSTACLE_NONE);
	b->server = SSL_new(b->server_ctx);
	b->client = SSL_new(b->client_ctx);
	BIO_set_mem_eof_return(up, -1);
	BIO_set_mem_eof_return(down, -1);
	BIO_up_ref(up);
	BIO_up_ref(down);
	SSL_set_bio(b->server, up, down);
	SSL_set_bio(b->client, down, up);
	SSL_set_app_data(b->client, b);
	SSL_set_accept_state(b->server);
	SSL_set_connect_state(b->client);
	if (b->session != NULL)
		SSL_set_session(b->client, b->session);
	while (!SSL_is_init_finished(b->client) || !SSL_is_init_finished(b->server)) {
		assert_true(SSL_do_handshake(b->client) == 1 || SSL_get_error(b->client, -1) == SSL_ERROR_WANT_READ);
		assert_true(SSL_do_handshake(b->server) == 1 || SSL_get_error(b->server, -1) == SSL_ERROR_WANT_READ);
	}
}

static void
disconnect(struct both *b)
{
	SSL_free(b->server);
	SSL_free(b->client);
	b->server = b->client = NULL;
}

static void
say(SSL *from, SSL *to, const char *text)
{
	char got[256];
	int len = (int)strlen(text);

	assert_int_equal(SSL_write(from, text, len), len);
	assert_int_equal(SSL_read(to, got, sizeof(got)), len);
	assert_memory_equal(got, text, (size_t)len);
}

static void
begin(struct both *b, const struct suite *s, int with)
{
	make_contexts(b, s, with);
	connect_both(b);
	if (with & RETRY && s->version == TLS1_3_VERSION)
		assert_int_equal(SSL_get_negotiated_group(b->server), NID_secp384r1);
	if (with & CERTIFICATE)
		assert_non_null(SSL_get0_peer_certificate(b->server));
	if (!(with & RESUMED))
		return;
	say(b->server, b->client, "this also brings the tickets");
	SSL_set_shutdown(b->client, SSL_SENT_SHUTDOWN);
	disconnect(b);
	connect_both(b);
	assert_true(SSL_session_reused(b->server));
}

static void
end(struct both *b)
{
	disconnect(b);
	SSL_SESSION_free(b->session);
	SSL_CTX_free(b->server_ctx);
	SSL_CTX_free(b->client_ctx);
	ERR_clear_error();
}

/* Fixed and sent part one after the other, or the number put over the end (RFC 5288, 3; RFC 7905, 2; RFC 8446, 5.3). */
static void
make_nonce(uint8_t nonce[TRAFFICKEYS_IV_LEN], const struct suite *s, const struct traffickeys *keys, const uint8_t *record, uint64_t number)
{
	int i;

	memcpy(nonce, keys->iv, TRAFFICKEYS_IV_LEN);
	if (s->explicit_nonce)
		memcpy(nonce + TRAFFICKEYS_IV_LEN - EXPLICIT, record + HEADER, EXPLICIT);
	else
		for (i = 0; i < 8; i++)
			nonce[TRAFFICKEYS_IV_LEN - 1 - i] ^= (uint8_t)(number >> 8 * i);
}

/* What is authenticated besides the text (RFC 5246, 6.2.3.3; RFC 8446, 5.2). Returns its length. */
static int
make_additional(uint8_t aad[13], const struct suite *s, const uint8_t *record, uint64_t number, size_t len)
{
	int i;

	if (s->version == TLS1_3_VERSION) {
		memcpy(aad, record, HEADER);
		return HEADER;
	}
	for (i = 0; i < 8; i++)
		aad[i] = (uint8_t)(number >> 8 * (7 - i));
	memcpy(aad + 8, record, 3);
	aad[11] = (uint8_t)(len >> 8);
	aad[12] = (uint8_t)len;
	return 13;
}

/* Opens one record. Returns the length of its text, or -1 if it can't be opened so. */
static int
open_record(const struct suite *s, const struct traffickeys *keys, uint64_t number, uint8_t *record, size_t record_len, uint8_t *text)
{
	size_t before = HEADER + (s->explicit_nonce ? EXPLICIT : 0), len = record_len - before - TAG;
	uint8_t nonce[TRAFFICKEYS_IV_LEN], aad[13];
	int n, aad_len = make_additional(aad, s, record, number, len);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool opened;

	make_nonce(nonce, s, keys, record, number);
	opened = EVP_DecryptInit_ex(ctx, s->cipher(), NULL, keys->key, nonce) == 1 && EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_len) == 1 &&
	    EVP_DecryptUpdate(ctx, text, &n, record + before, (int)len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, record + record_len - TAG) == 1 && EVP_DecryptFinal_ex(ctx, text + n, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return opened ? (int)len : -1;
}

/* The next record of one side, opened with what we derived; and with the numbers beside it, which must not do. */
static void
check_way(const struct suite *s, SSL *from, const struct traffickeys *keys, uint64_t number)
{
	static const char words[] = "the next record";
	uint8_t record[256], text[256];
	int len;

	assert_int_equal(SSL_write(from, words, sizeof(words)), sizeof(words));
	len = BIO_read(SSL_get_wbio(from), record, sizeof(record));
	assert_true(len > HEADER + TAG);
	assert_int_equal(len, HEADER + (record[3] << 8) + record[4]);
	assert_true(open_record(s, keys, number, record, (size_t)len, text) >= (int)sizeof(words));
	assert_memory_equal(text, words, sizeof(words));
	assert_int_equal(open_record(s, keys, number + 1, record, (size_t)len, text), -1);
	assert_int_equal(open_record(s, keys, number - 1, record, (size_t)len, text), -1);
}

static void
check_suite(const struct suite *s, int with, int lines)
{
	struct traffickeys keys[2] = { 0 };
	struct both b;

	begin(&b, s, with);
	while (lines-- > 0) {
		say(b.client, b.server, "a NOOP");
		say(b.server, b.client, "a OK");
		say(b.server, b.client, "* BYE");
	}
	assert_true(ktls_derive(&b.ktls, b.server, keys));
	check_way(s, b.client, &keys[KTLS_READ], b.ktls.records[KTLS_READ]);
	/* Its own record has been counted when it is sent. */
	check_way(s, b.server, &keys[KTLS_WRITE], b.ktls.records[KTLS_WRITE]);
	end(&b);
}

static void
test_every_suite(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SUITES; i++) {
		check_suite(&suites[i], 0, 0);
		check_suite(&suites[i], 0, 3);
	}
}

static void
test_every_handshake(void **state)
{
	static const int with[] = { RETRY, CERTIFICATE, TICKETS, TICKETS | RESUMED, RETRY | CERTIFICATE | TICKETS };
	size_t i, n;

	(void)state;
	for (i = 0; i < SUITES; i++)
		for (n = 0; n < sizeof(with) / sizeof(with[0]); n++)
			check_suite(&suites[i], with[n], 2);
}

/* The counter is of more than one octet. */
static void
test_a_long_dialogue(void **state)
{
	(void)state;
	check_suite(&suites[0], 0, 300);
	check_suite(&suites[5], 0, 300);
}

/* --- what is against it: nothing has changed, nothing is kept */

static void
assert_obstacle(struct both *b, enum ktls_obstacle obstacle, size_t peeked)
{
	struct conn c = { .in = -1, .out = -1, .ssl = b->server, .peeked = peeked };
	static const uint8_t nothing[KTLS_SECRET_MAX];

	assert_int_equal(ktls_switch(&b->ktls, &c), obstacle);
	assert_ptr_equal(c.ssl, b->server);
	assert_memory_equal(b->ktls.secret[KTLS_READ], nothing, sizeof(nothing));
	assert_memory_equal(b->ktls.secret[KTLS_WRITE], nothing, sizeof(nothing));
	/* And so it stays. */
	assert_int_equal(ktls_switch(&b->ktls, &c), OBSTACLE_SECRETS);
	end(b);
}

static void
test_no_socket_takes_keys(void **state)
{
	struct both b;
	size_t i;

	(void)state;
	for (i = 0; i < SUITES; i++) {
		begin(&b, &suites[i], 0);
		assert_obstacle(&b, OBSTACLE_KERNEL, 0);
	}
}

static void
test_left_over(void **state)
{
	struct both b;
	char octet;

	(void)state;
	begin(&b, &suites[0], 0);
	assert_obstacle(&b, OBSTACLE_LEFT_OVER, 1);
	begin(&b, &suites[0], 0);
	assert_int_equal(SSL_write(b.client, "ab", 2), 2);
	assert_int_equal(SSL_read(b.server, &octet, 1), 1);
	assert_obstacle(&b, OBSTACLE_LEFT_OVER, 0);
}

static void
test_key_update(void **state)
{
	static const int kinds[] = { SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED };
	struct both b;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(&b, &suites[i], 0);
		assert_int_equal(SSL_key_update(b.client, kinds[i]), 1);
		say(b.client, b.server, "with new keys");
		say(b.server, b.client, "perhaps too");
		assert_obstacle(&b, OBSTACLE_KEY_UPDATE, 0);
	}
}

static void
test_close_notify(void **state)
{
	struct both b;
	char octet;

	(void)state;
	begin(&b, &suites[0], 0);
	SSL_shutdown(b.client);
	assert_int_equal(SSL_read(b.server, &octet, 1), 0);
	assert_obstacle(&b, OBSTACLE_HALF_CLOSED, 0);
}

static void
test_small_fragments(void **state)
{
	struct both b;
	size_t i;

	(void)state;
	for (i = 0; i < SUITES; i++) {
		make_contexts(&b, &suites[i], 0);
		assert_int_equal(SSL_CTX_set_tlsext_max_fragment_length(b.client_ctx, TLSEXT_max_fragment_length_512), 1);
		connect_both(&b);
		assert_obstacle(&b, OBSTACLE_FRAGMENT_LENGTH, 0);
	}
}

static void
test_other_ciphers(void **state)
{
	static const struct suite others[] = {
		{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, false },
		{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", NULL, false },
		{ TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", NULL, false },
	};
	struct both b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		begin(&b, &others[i], 0);
		assert_obstacle(&b, OBSTACLE_CIPHER, 0);
	}
}

/* Known from the beginning: nothing is watched. */
static void
test_not_wanted(void **state)
{
	struct ktls k;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	(void)state;
	ktls_watch(&k, ctx, OBSTACLE_MODULE);
	assert_int_equal(k.obstacle, OBSTACLE_MODULE);
	assert_null(SSL_CTX_get_keylog_callback(ctx));
	SSL_CTX_free(ctx);
}

/* --- the key log */

#define RANDOM		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
#define SECRET		"ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define CLIENT		"CLIENT_TRAFFIC_SECRET_0 "
#define SERVER		"SERVER_TRAFFIC_SECRET_0 "

/* A line that is not one takes the place of a secret that was: with half a secret nothing is done. */
static const struct line {
	const char	*line;
	bool		usable;
} lines[] = {
	{ CLIENT RANDOM SECRET, true },
	{ SERVER RANDOM SECRET, true },
	{ "EXPORTER_SECRET " RANDOM "00", true },
	{ "CLIENT_TRAFFIC_SECRET_1 " RANDOM "00", true },
	{ "CLIENT_TRAFFIC_SECRET_0", true },
	{ "", true },
	{ " ", true },
	{ CLIENT, false },
	{ CLIENT SECRET "0", false },
	{ CLIENT RANDOM, false },
	{ CLIENT RANDOM "00", false },
	{ CLIENT RANDOM SECRET "0", false },
	{ CLIENT RANDOM SECRET "00", false },
	{ CLIENT RANDOM SECRET SECRET, false },
	{ CLIENT RANDOM "gg" SECRET, false },
	{ SERVER RANDOM SECRET " ", false },
	{ SERVER RANDOM SECRET "\n", false },
	{ SERVER RANDOM SECRET RANDOM SECRET, false },
};

static void
test_lines_of_the_key_log(void **state)
{
	struct traffickeys keys[2];
	struct both b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		begin(&b, &suites[0], 0);
		SSL_CTX_get_keylog_callback(b.server_ctx)(b.server, lines[i].line);
		if (ktls_derive(&b.ktls, b.server, keys) != lines[i].usable)
			fail_msg("\"%s\" is%s usable", lines[i].line, lines[i].usable ? " not" : "");
		if (lines[i].usable)
			end(&b);
		else
			assert_obstacle(&b, OBSTACLE_SECRETS, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_suite),
		cmocka_unit_test(test_every_handshake),
		cmocka_unit_test(test_a_long_dialogue),
		cmocka_unit_test(test_no_socket_takes_keys),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_close_notify),
		cmocka_unit_test(test_small_fragments),
		cmocka_unit_test(test_other_ciphers),
		cmocka_unit_test(test_not_wanted),
		cmocka_unit_test(test_lines_of_the_key_log),
	};

	return cmocka_run_group_tests(tests, make_certificate, forget_certificate);
}
