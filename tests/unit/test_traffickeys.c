/*
 * Keys of TLS records against published vectors: RFC 8448 for TLS 1.3, NIST's
 * for the key block of TLS 1.2 (CAVP, SP 800-135, tls.zip).
 */

#include <openssl/crypto.h>

#include "gate/traffickeys.h"
#include "unit.h"

static size_t
octets(const char *hex, uint8_t *out, size_t size)
{
	size_t len;

	assert_int_equal(OPENSSL_hexstr2buf_ex(out, size, &len, hex, '\0'), 1);
	return len;
}

static void
assert_octets(const uint8_t *got, const char *hex)
{
	uint8_t wanted[TRAFFICKEYS_KEY_MAX];
	size_t len = octets(hex, wanted, sizeof(wanted));

	assert_memory_equal(got, wanted, len);
}

/* RFC 8448, 3: all that is derived there from a secret, for AES-128-GCM with SHA-256. */
static const struct {
	const char	*secret, *key, *iv;
} rfc8448[] = {
	{ "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30" },
	{ "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21", "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f" },
	{ "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984" },
	{ "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9" },
};

static void
test_tls13(void **state)
{
	struct traffickeys keys;
	uint8_t secret[48];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rfc8448) / sizeof(rfc8448[0]); i++) {
		len = octets(rfc8448[i].secret, secret, sizeof(secret));
		assert_true(traffickeys_from_secret(&keys, 16, EVP_sha256(), secret, len));
		assert_octets(keys.key, rfc8448[i].key);
		assert_octets(keys.iv, rfc8448[i].iv);
	}
}

/* The block is one stream, so where it is cut shows in each part. */
static const struct {
	const EVP_MD	*(*digest)(void);
	const char	*master, *server, *client, *block;
} nist[] = {
	{
		EVP_sha256,
		"202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d52a65e66125188bf",
		"ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868",
		"62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616",
		"d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f7e1d6590d0f0566b"
		"2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068",
	},
	{
		EVP_sha384,
		"b4d49bfa87747fe815457bc3da15073d6ac73389e703079a3503c09e14bd559a5b3c7c601c7365f6ea8c68d3d9596827",
		"1b1c8568344a65c30828e7483c0e353e2c68641c9551efae6927d9cd627a107c",
		"954b5fe1849c2ede177438261f099a2fcd884d001b9fe1de754364b1f6a6dd8e",
		"10fd89ef689c7ef033387b8a8f3e5e8e7c11f680f6bdd71fbac3246a73e98d45d03185dde686e6b2369e4503e9dc5a6d"
		"2cee3e2bf2fa3f41d3de57dff3e197c8a9d5f74cc2d277119d894f8584b07a0a5822f0bd68b3433e",
	},
};

/* Key and fixed iv of AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305. */
static const size_t cuts[][2] = { { 16, 4 }, { 32, 4 }, { 32, 12 } };

static void
test_tls12(void **state)
{
	uint8_t master[48], server[32], client[32], block[88];
	struct traffickeys clients, servers;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(nist) / sizeof(nist[0]) * 3; i++) {
		size_t key = cuts[i % 3][0], fixed = cuts[i % 3][1];

		n = i / 3;
		octets(nist[n].master, master, sizeof(master));
		octets(nist[n].server, server, sizeof(server));
		octets(nist[n].client, client, sizeof(client));
		assert_int_equal(octets(nist[n].block, block, sizeof(block)), sizeof(block));
		assert_true(traffickeys_from_master(&clients, &servers, key, fixed, nist[n].digest(), master, sizeof(master), server, client));
		assert_memory_equal(clients.key, block, key);
		assert_memory_equal(servers.key, block + key, key);
		assert_memory_equal(clients.iv, block + 2 * key, fixed);
		assert_memory_equal(servers.iv, block + 2 * key + fixed, fixed);
	}
}

/* What TLS 1.2 sends with each record is not ours to set. */
static void
test_the_rest_of_an_iv_stays(void **state)
{
	struct traffickeys clients, servers;
	uint8_t zeros[48] = { 0 }, ones[TRAFFICKEYS_IV_LEN];

	(void)state;
	memset(ones, 1, sizeof(ones));
	memcpy(clients.iv, ones, sizeof(ones));
	memcpy(servers.iv, ones, sizeof(ones));
	assert_true(traffickeys_from_master(&clients, &servers, 16, 4, EVP_sha256(), zeros, sizeof(zeros), zeros, zeros));
	assert_memory_equal(clients.iv + 4, ones, sizeof(ones) - 4);
	assert_memory_equal(servers.iv + 4, ones, sizeof(ones) - 4);
	assert_memory_not_equal(servers.iv, ones, 4);
}

static void
test_too_long(void **state)
{
	struct traffickeys one, other;
	uint8_t zeros[48] = { 0 };

	(void)state;
	assert_false(traffickeys_from_secret(&one, TRAFFICKEYS_KEY_MAX + 1, EVP_sha256(), zeros, 32));
	assert_false(traffickeys_from_master(&one, &other, TRAFFICKEYS_KEY_MAX + 1, 4, EVP_sha256(), zeros, 48, zeros, zeros));
	assert_false(traffickeys_from_master(&one, &other, 16, TRAFFICKEYS_IV_LEN + 1, EVP_sha256(), zeros, 48, zeros, zeros));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls13),
		cmocka_unit_test(test_tls12),
		cmocka_unit_test(test_the_rest_of_an_iv_stays),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
