/*
 * The messages of OAUTHBEARER (RFC 7628, 3.1) and XOAUTH2, octet by octet:
 * headers, names and their escapes, pairs, and whom the client means to
 * speak to. test_sasl.c has the table of mechanisms and the limits; here is
 * the grammar. Messages are allocations of their own size, so that the
 * sanitizer sees who looks behind their end.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/sasl.h"

#define BYTES(s)	{ (s), sizeof(s) - 1 }
#define ROWS(a)		(sizeof(a) / sizeof((a)[0]))

struct bytes {
	const char	*text;
	size_t		 len;
};

static struct sasl sasl;

/* One message to a new exchange; true if it can be given to PAM. */
static bool
take(const char *mechanism, const char *text, size_t len)
{
	const struct credentials *c = &sasl.credentials;
	char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	sasl_begin(&sasl, sasl_find(mechanism), "eve");
	assert_string_equal(sasl.challenge, "");
	assert_int_equal(sasl_step(&sasl, copy, len), SASL_DONE);
	free(copy);
	return !c->malformed && sasl_is_text(c->secret) && (c->authcid[0] == '\0' || sasl_is_name(c->authcid));
}

static void
OB2_header_says_who(void **state)
{
	static const struct {
		struct bytes header;
		const char *name; /* NULL: malformed */
	} rows[] = {
		{ BYTES("n,,"), "" },
		{ BYTES("y,,"), "" },
		{ BYTES("n,a=joe,"), "joe" },
		{ BYTES("y,a=joe,"), "joe" },
		{ BYTES("n,a=joe@example.org,"), "joe@example.org" },
		{ BYTES("n,a=,"), "" },
		{ BYTES("n,a=j=2Ce,"), "j,e" },
		{ BYTES("n,a=j=3De,"), "j=e" },
		{ BYTES("n,a==3D2C,"), "=2C" },
		{ BYTES("n,a==2C=2C=3D,"), ",,=" },
		{ BYTES("n,a=j\xc3\xb6,"), "j\xc3\xb6" },
		{ BYTES("n,a=j=,"), NULL },
		{ BYTES("n,a=j=2,"), NULL },
		{ BYTES("n,a=j=2De,"), NULL },
		{ BYTES("n,a=j=3,"), NULL },
		{ BYTES("n,a=j=e,"), NULL },
		{ BYTES("n,a=j==2C,"), NULL },
		{ BYTES("n,a=j\0e,"), NULL },
		{ BYTES("n,joe,"), NULL },
		{ BYTES("n,b=joe,"), NULL },
		{ BYTES("n,A=joe,"), NULL },
		{ BYTES("n,a=joe"), NULL },
		{ BYTES("n,a=joe,,"), NULL },
		{ BYTES("n,"), NULL },
		{ BYTES("n"), NULL },
		{ BYTES(""), NULL },
		{ BYTES(",,"), NULL },
		{ BYTES("N,,"), NULL },
		{ BYTES("x,,"), NULL },
		{ BYTES("nn,,"), NULL },
		{ BYTES("p,,"), NULL },
		{ BYTES("p=tls-unique,,"), NULL },
		{ BYTES("p=tls-exporter,a=joe,"), NULL },
	};
	char message[256];
	size_t i, len;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		memcpy(message, rows[i].header.text, rows[i].header.len);
		len = rows[i].header.len +
		    (size_t)sprintf(message + rows[i].header.len,
			"\x01"
			"auth=Bearer t\x01\x01");
		if (take("OAUTHBEARER", message, len) != (rows[i].name != NULL))
			fail_msg("header \"%s\"", rows[i].header.text);
		if (rows[i].name == NULL)
			continue;
		assert_string_equal(sasl.credentials.authzid, rows[i].name);
		assert_string_equal(sasl.credentials.authcid, rows[i].name);
		assert_string_equal(sasl.credentials.secret, "t");
	}
}

static void
OB2_unknown_keys_are_ignored(void **state)
{
	static const char *const pairs[] = { "foo=1", "mthd=POST", "path=/", "post=", "qs=a=b,c", "authx=Bearer x",
		"xauth=Bearer x", "hostess=x", "ports=x", "a=eve", "n,a=eve,", "=", "foo", "auth", "host", "port" };
	char message[256];
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(pairs); i++) {
		int len = sprintf(message,
		    "n,a=joe,\x01%s\x01"
		    "auth=Bearer t\x01%s\x01\x01",
		    pairs[i], pairs[i]);

		if (!take("OAUTHBEARER", message, (size_t)len))
			fail_msg("pair \"%s\"", pairs[i]);
		assert_string_equal(sasl.credentials.authcid, "joe");
		assert_string_equal(sasl.credentials.secret, "t");
		assert_string_equal(sasl.host, "");
		assert_string_equal(sasl.port, "");
	}
}

static void
OB2_scheme_is_bearer_in_any_case(void **state)
{
	static const struct {
		const char *pair;
		const char *token; /* NULL: none */
	} rows[] = {
		{ "auth=Bearer t", "t" },
		{ "auth=bearer t", "t" },
		{ "auth=BEARER t", "t" },
		{ "auth=Bearer abc.def-_~+/==", "abc.def-_~+/==" },
		{ "auth=Bearer ", NULL },
		{ "auth=Bearer", NULL },
		{ "auth=", NULL },
		{ "auth=t", NULL },
		{ "auth=Basic t", NULL },
		{ "auth=Bearert", NULL },
		{ "auth= Bearer t", NULL },
		{ "auth=Bearer\tt", NULL },
	};
	char message[256];
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		int len = sprintf(message, "n,a=joe,\x01%s\x01\x01", rows[i].pair);

		if (take("OAUTHBEARER", message, (size_t)len) != (rows[i].token != NULL))
			fail_msg("pair \"%s\"", rows[i].pair);
		if (rows[i].token != NULL)
			assert_string_equal(sasl.credentials.secret, rows[i].token);
	}
}

static void
OB3_host_and_port_are_kept(void **state)
{
	static const char message[] = "n,a=joe,\x01host=imap.example.org\x01port=65535\x01"
				      "auth=Bearer t\x01\x01";
	static const char behind[] = "n,a=joe,\x01"
				     "auth=Bearer t\x01port=143\x01host=h\x01\x01";
	static const char overlong[] = "n,a=joe,\x01port=655350\x01"
				       "auth=Bearer t\x01\x01";

	(void)state;
	assert_true(take("OAUTHBEARER", message, sizeof(message) - 1));
	assert_string_equal(sasl.host, "imap.example.org");
	assert_string_equal(sasl.port, "65535");
	assert_true(take("OAUTHBEARER", behind, sizeof(behind) - 1));
	assert_string_equal(sasl.host, "h");
	assert_string_equal(sasl.port, "143");
	assert_false(take("OAUTHBEARER", overlong, sizeof(overlong) - 1));
}

/* Both kinds, with everything that they may hold. */
static const struct {
	const char	*mechanism;
	struct bytes	 message;
} whole[] = {
	{ "OAUTHBEARER", BYTES("n,a=j=2Ce,\x01host=h\x01port=1\x01" "foo=1\x01" "auth=Bearer token\x01\x01") },
	{ "XOAUTH2", BYTES("user=joe\x01host=h\x01" "auth=Bearer token\x01\x01") },
};

static void
T18_message_that_is_cut_is_none(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; i < ROWS(whole); i++) {
		assert_true(take(whole[i].mechanism, whole[i].message.text, whole[i].message.len));
		for (len = 0; len < whole[i].message.len; len++)
			assert_false(take(whole[i].mechanism, whole[i].message.text, len));
	}
}

static void
T18_message_that_goes_on_is_none(void **state)
{
	char message[256];
	unsigned octet;
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(whole); i++)
		for (octet = 0; octet < 256; octet++) {
			memcpy(message, whole[i].message.text, whole[i].message.len);
			message[whole[i].message.len] = (char)octet;
			assert_false(take(whole[i].mechanism, message, whole[i].message.len + 1));
		}
}

/* Whatever becomes of one octet: arrays keep their NULs, and a NUL in the message is never taken for an end. */
static void
T21_any_octet_anywhere(void **state)
{
	const struct credentials *c = &sasl.credentials;
	char message[256];
	unsigned octet;
	size_t i, at;

	(void)state;
	for (i = 0; i < ROWS(whole); i++)
		for (at = 0; at < whole[i].message.len; at++)
			for (octet = 0; octet < 256; octet++) {
				bool good;

				memcpy(message, whole[i].message.text, whole[i].message.len);
				message[at] = (char)octet;
				good = take(whole[i].mechanism, message, whole[i].message.len);
				assert_true(strnlen(c->authcid, sizeof(c->authcid)) < sizeof(c->authcid));
				assert_true(strnlen(c->secret, sizeof(c->secret)) < sizeof(c->secret));
				assert_true(strnlen(sasl.port, sizeof(sasl.port)) < sizeof(sasl.port));
				if (good)
					assert_true(strlen(c->secret) <= sizeof("token") && c->secret[0] != '\0');
			}
}

static void
OB5_lone_separator_fails(void **state)
{
	(void)state;
	assert_false(take("OAUTHBEARER", "\x01", 1));
	assert_false(take("OAUTHBEARER", "", 0));
	assert_false(take("XOAUTH2", "\x01", 1));
	assert_false(take("XOAUTH2", "", 0));
}

static void
OB6_certificate_is_nothing_to_a_token(void **state)
{
	static const char message[] = "n,,\x01"
				      "auth=Bearer t\x01\x01";

	(void)state;
	assert_true(take("OAUTHBEARER", message, sizeof(message) - 1));
	assert_string_equal(sasl.credentials.authcid, "");
	assert_string_equal(sasl.credentials.authzid, "");
}

static void
xoauth2_needs_a_user(void **state)
{
	static const struct {
		struct bytes message;
		bool good;
	} rows[] = {
		{ BYTES("user=joe\x01"
			"auth=Bearer t\x01\x01"),
		    true },
		{ BYTES("auth=Bearer t\x01user=joe\x01\x01"), true },
		{ BYTES("user=joe@example.org\x01"
			"auth=Bearer t\x01\x01"),
		    true },
		{ BYTES("auth=Bearer t\x01\x01"), false },
		{ BYTES("user=\x01"
			"auth=Bearer t\x01\x01"),
		    false },
		{ BYTES("user=joe\x01\x01"), false },
		{ BYTES("n,a=joe,\x01"
			"auth=Bearer t\x01\x01"),
		    false },
		{ BYTES("user=jo\0e\x01"
			"auth=Bearer t\x01\x01"),
		    false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		assert_int_equal(take("XOAUTH2", rows[i].message.text, rows[i].message.len), rows[i].good);
}

static void
T55_forgotten_token_is_wiped(void **state)
{
	const char *at = (const char *)&sasl;
	size_t i;

	(void)state;
	assert_true(take(whole[0].mechanism, whole[0].message.text, whole[0].message.len));
	sasl_forget(&sasl);
	for (i = 0; i < sizeof(sasl); i++)
		assert_int_equal(at[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(OB2_header_says_who),
		cmocka_unit_test(OB2_unknown_keys_are_ignored),
		cmocka_unit_test(OB2_scheme_is_bearer_in_any_case),
		cmocka_unit_test(OB3_host_and_port_are_kept),
		cmocka_unit_test(T18_message_that_is_cut_is_none),
		cmocka_unit_test(T18_message_that_goes_on_is_none),
		cmocka_unit_test(T21_any_octet_anywhere),
		cmocka_unit_test(OB5_lone_separator_fails),
		cmocka_unit_test(OB6_certificate_is_nothing_to_a_token),
		cmocka_unit_test(xoauth2_needs_a_user),
		cmocka_unit_test(T55_forgotten_token_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
