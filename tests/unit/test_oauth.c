/*
 * The messages of OAUTHBEARER (RFC 7628, 3.1) and XOAUTH2, octet by octet:
 * headers, names and their escapes, pairs, whom the client means to speak
 * to, and how long each part may be.
 */

#include "exchange.h"

/* Gives one message to a new exchange. Returns true if what it says can be given to PAM. */
static bool
take(const char *mechanism, const char *text, size_t len)
{
	const struct credentials *c = &sasl.credentials;

	sasl_begin(&sasl, sasl_find(mechanism), "eve");
	assert_string_equal(sasl.challenge, "");
	assert_int_equal(step((struct bytes){ text, len }), SASL_DONE);
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

/* --- whole messages ------------------------------------------------------ */

struct token_row {
	struct bytes	 message;
	const char	*name, *token;		/* NULL: malformed */
	const char	*host, *port;
};

static void
check_token(const char *mechanism, const struct token_row *row)
{
	struct credentials *c = &sasl.credentials;

	sasl_begin(&sasl, sasl_find(mechanism), "");
	assert_int_equal(step(row->message), SASL_DONE);
	if (c->malformed != (row->token == NULL))
		fail_msg("%s is%s malformed: %.*s", mechanism, c->malformed ? "" : " not", (int)row->message.len,
		    row->message.text);
	if (c->malformed)
		return;
	assert_string_equal(c->authcid, row->name);
	assert_string_equal(c->authzid, row->name);
	assert_string_equal(c->secret, row->token);
	assert_string_equal(sasl.host, row->host);
	assert_string_equal(sasl.port, row->port);
}

static const struct token_row bearers[] = {
	{ BYTES("n,a=u@x,\1host=h\1port=143\1foo=1\1auth=Bearer T\1\1"), "u@x", "T", "h", "143" },
	{ BYTES("n,a=u@x,\1auth=Bearer T\1\1"), "u@x", "T", "", "" },
	{ BYTES("n,,\1auth=Bearer T\1\1"), "", "T", "", "" },
	{ BYTES("y,a=u,\1auth=Bearer T\1\1"), "u", "T", "", "" },
	{ BYTES("n,a=u,\1auth=bearer T\1\1"), "u", "T", "", "" },
	{ BYTES("n,a=u,\1auth=BEARER ya29.a0-_~+/=\1\1"), "u", "ya29.a0-_~+/=", "", "" },
	{ BYTES("n,a=u,\1auth=Bearer T\1port=993\1host=imap.example.org\1\1"), "u", "T", "imap.example.org", "993" },
	{ BYTES("n,a=a=2Cb=3Dc,\1auth=Bearer T\1\1"), "a,b=c", "T", "", "" },
	{ BYTES("n,a=u,\1mthd=POST\1path=/\1post=\1qs=x=y\1auth=Bearer T\1\1"), "u", "T", "", "" },
	/* RFC 7628, 3.1: the key/value list and each of its parts end in ^A. */
	{ BYTES("n,a=u,\1auth=Bearer T\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Bearer T"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Bearer T\1\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Bearer T\1\1x"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,,\1"), NULL, NULL, NULL, NULL },
	/* auth is required, its scheme is Bearer, and there is a token. */
	{ BYTES("n,a=u,\1host=h\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Basic T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Bearer\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Bearer \1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1xauth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	/* RFC 5801, 4: the gs2 header. */
	{ BYTES("p=tls-exporter,a=u,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("x,a=u,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,u,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,b=u,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u=,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u=2,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u=2D,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,v,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	/* NUL, and messages that are nearly nothing (OB5). */
	{ BYTES("n,a=u\0v,\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1auth=Bearer T\0U\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("n,a=u,\1host=\0\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("\1"), NULL, NULL, NULL, NULL },
	{ BYTES(""), NULL, NULL, NULL, NULL },
	{ BYTES("n"), NULL, NULL, NULL, NULL },
	{ BYTES("n,"), NULL, NULL, NULL, NULL },
	{ BYTES("n,,"), NULL, NULL, NULL, NULL },
	{ BYTES(",,,,"), NULL, NULL, NULL, NULL },
};

static void
OB2_oauthbearer_message(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(bearers); i++)
		check_token("OAUTHBEARER", &bearers[i]);
}

static const struct token_row xoauth2s[] = {
	{ BYTES("user=u@x\1auth=Bearer T\1\1"), "u@x", "T", "", "" },
	{ BYTES("auth=Bearer T\1user=u@x\1\1"), "u@x", "T", "", "" },
	{ BYTES("user=u\1foo=1\1auth=bearer ya29.x\1\1"), "u", "ya29.x", "", "" },
	{ BYTES("user=u\1auth=Bearer T\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Bearer T"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Bearer T\1\1x"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Bearer \1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Basic T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1user=\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Bearer T\1auth=Bearer \1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Bearer T\1host=h\1host=\1port=1\1port=\1\1"), "u", "T", "", "" },
	{ BYTES("user=u\0v\1auth=Bearer T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("user=u\1auth=Bearer \0T\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES("\1"), NULL, NULL, NULL, NULL },
	{ BYTES("\1\1"), NULL, NULL, NULL, NULL },
	{ BYTES(""), NULL, NULL, NULL, NULL },
};

static void
xoauth2_message(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(xoauth2s); i++)
		check_token("XOAUTH2", &xoauth2s[i]);
}

/* RFC 7628 does not say what a key means that comes twice; but it is one of its values, not a mixture. */
static void
key_that_comes_twice_has_one_of_its_values(void **state)
{
	static const struct bytes message = BYTES("user=somebody\1user=x\1auth=Bearer token\1auth=Bearer T\1\1");
	struct credentials *c = &sasl.credentials;

	(void)state;
	sasl_begin(&sasl, sasl_find("XOAUTH2"), "");
	assert_int_equal(step(message), SASL_DONE);
	if (c->malformed)
		return;
	assert_true(strcmp(c->authcid, "somebody") == 0 || strcmp(c->authcid, "x") == 0);
	assert_true(strcmp(c->secret, "token") == 0 || strcmp(c->secret, "T") == 0);
}

/* Nothing of one key can be read as another's: a message with a part cut off anywhere is malformed. */
static void
T18_truncated_oauth_messages_are_malformed(void **state)
{
	static const struct token_row none = { BYTES(""), NULL, NULL, NULL, NULL };
	struct token_row row = none;

	(void)state;
	for (row.message = bearers[0].message; row.message.len-- > 0;)
		check_token("OAUTHBEARER", &row);
	for (row.message = xoauth2s[0].message; row.message.len-- > 0;)
		check_token("XOAUTH2", &row);
}

static void
OB2_parts_of_oauth_messages_have_limits(void **state)
{
	static const struct {
		size_t name, host, port, token;
		bool good;
	} rows[] = {
		{ 255, 255, 5, 8192, true },
		{ 1, 0, 0, 1, true },
		{ 256, 1, 1, 1, false },
		{ 1, 256, 1, 1, false },
		{ 1, 1, 6, 1, false },
		{ 1, 1, 1, 8193, false },
		{ 1, 1, 1, 12000, false },
		{ 11000, 1, 1, 1, false },
	};
	static char message[16384], x[12001];
	size_t i, len;

	(void)state;
	memset(x, 'x', sizeof(x) - 1);
	for (i = 0; i < ROWS(rows); i++) {
		len = (size_t)sprintf(message, "n,a=%.*s,\1host=%.*s\1port=%.*s\1auth=Bearer %.*s\1\1",
		    (int)rows[i].name, x, (int)rows[i].host, x, (int)rows[i].port, x, (int)rows[i].token, x);
		sasl_begin(&sasl, sasl_find("OAUTHBEARER"), "");
		assert_int_equal(step((struct bytes){ message, len }), SASL_DONE);
		assert_int_equal(sasl.credentials.malformed, !rows[i].good);
		len = (size_t)sprintf(
		    message, "user=%.*s\1auth=Bearer %.*s\1\1", (int)rows[i].name, x, (int)rows[i].token, x);
		sasl_begin(&sasl, sasl_find("XOAUTH2"), "");
		assert_int_equal(step((struct bytes){ message, len }), SASL_DONE);
		assert_int_equal(
		    sasl.credentials.malformed, rows[i].name > SASL_NAME_MAX || rows[i].token > SASL_TOKEN_MAX);
	}
}

static void
OB4_failure_is_told_in_json(void **state)
{
	(void)state;
	assert_memory_equal(sasl_find("OAUTHBEARER")->failure, "{\"status\":\"invalid_token\"", 25);
	assert_int_equal(sasl_find("OAUTHBEARER")->failure[strlen(sasl_find("OAUTHBEARER")->failure) - 1], '}');
	assert_memory_equal(sasl_find("XOAUTH2")->failure, "{\"status\":\"4", 12);
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
		cmocka_unit_test(OB2_oauthbearer_message),
		cmocka_unit_test(xoauth2_message),
		cmocka_unit_test(key_that_comes_twice_has_one_of_its_values),
		cmocka_unit_test(T18_truncated_oauth_messages_are_malformed),
		cmocka_unit_test(OB2_parts_of_oauth_messages_have_limits),
		cmocka_unit_test(OB4_failure_is_told_in_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
