/*
 * SASL: mechanisms, strict base64, UTF-8 and names (RFC 4616, 4648, 3629).
 * Messages are given in allocations of their own size, so that the
 * sanitizer sees who looks behind their end.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msg.h"
#include "proto/command.h"
#include "proto/sasl.h"
#include "proto/utf8.h"

#define BYTES(s)	{ (s), sizeof(s) - 1 }

struct bytes {
	const char	*text;
	size_t		 len;
};

static struct sasl sasl;

static void *
copy_of(struct bytes b)
{
	void *copy = malloc(b.len > 0 ? b.len : 1);

	assert_non_null(copy);
	memcpy(copy, b.text, b.len);
	return copy;
}

static enum sasl_next
step(struct bytes message)
{
	char *copy = copy_of(message);
	enum sasl_next next = sasl_step(&sasl, copy, message.len);

	free(copy);
	return next;
}

/* Would a login with these be refused whatever PAM says? */
static bool
hopeless(const struct credentials *c)
{
	return c->malformed || !sasl_is_name(c->authcid) || !sasl_is_text(c->secret) ||
	    (c->authzid[0] != '\0' && !sasl_is_name(c->authzid));
}

/* --- mechanisms ---------------------------------------------------------- */

static const struct {
	const char	*name;
	int		 id;
	enum sasl_proof	 proof;
	bool		 server_first;
	bool		 tells_failure;
	const char	*challenge;
} mechanisms[] = {
	{ "PLAIN", MECH_PLAIN, SASL_PASSWORD, false, false, "" },
	{ "LOGIN", MECH_LOGIN, SASL_PASSWORD, true, false, "Username:" },
	{ "EXTERNAL", MECH_EXTERNAL, SASL_CERTIFICATE, false, false, "" },
	{ "OAUTHBEARER", MECH_OAUTHBEARER, SASL_TOKEN, false, true, "" },
	{ "XOAUTH2", MECH_XOAUTH2, SASL_TOKEN, false, true, "" },
};
#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

static void
C4_table_of_mechanisms(void **state)
{
	const struct sasl_mechanism *m;
	size_t i;

	(void)state;
	for (i = 0; i < MECHANISMS; i++) {
		m = sasl_find(mechanisms[i].name);
		assert_ptr_equal(m, &sasl_mechanisms[i]);
		assert_int_equal(m->id, mechanisms[i].id);
		assert_int_equal(m->proof, mechanisms[i].proof);
		assert_int_equal(m->server_first, mechanisms[i].server_first);
		assert_int_equal(m->failure != NULL, mechanisms[i].tells_failure);
		sasl_begin(&sasl, m, "");
		assert_string_equal(sasl.challenge, mechanisms[i].challenge);
	}
	assert_null(sasl_mechanisms[MECHANISMS].name);
}

static void
A4_other_names_are_no_mechanisms(void **state)
{
	static const char *const others[] = { "", "plain", "PLAI", "PLAINX", "PLAIN ", "CRAM-MD5", "SCRAM-SHA-256",
		"KERBEROS_V4", "LOGI", "XOAUTH" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_null(sasl_find(others[i]));
}

struct plain_row {
	struct bytes	 message;
	const char	*authzid, *authcid, *secret;	/* NULL: hopeless */
};

static void
check_plain(const struct plain_row *row)
{
	struct credentials *c = &sasl.credentials;

	sasl_begin(&sasl, sasl_find("PLAIN"), "");
	assert_string_equal(sasl.challenge, "");
	assert_int_equal(step(row->message), SASL_DONE);
	assert_int_equal(hopeless(c), row->authcid == NULL);
	if (row->authcid == NULL)
		return;
	assert_string_equal(c->authzid, row->authzid);
	assert_string_equal(c->authcid, row->authcid);
	assert_string_equal(c->secret, row->secret);
}

static void
PL1_plain_has_exactly_two_nuls(void **state)
{
	static const struct plain_row rows[] = {
		{ BYTES("\0joe\0secret"), "", "joe", "secret" },
		{ BYTES("joe\0joe\0secret"), "joe", "joe", "secret" },
		{ BYTES("bob\0alice\0pw"), "bob", "alice", "pw" },
		{ BYTES("\0joe@example.org\0sec ret"), "", "joe@example.org", "sec ret" },
		{ BYTES("\0j\xc3\xb6\0\xe2\x82\xac"), "", "j\xc3\xb6", "\xe2\x82\xac" },
		{ BYTES(""), NULL, NULL, NULL },
		{ BYTES("joe"), NULL, NULL, NULL },
		{ BYTES("\0"), NULL, NULL, NULL },
		{ BYTES("joe\0secret"), NULL, NULL, NULL },
		{ BYTES("\0joe"), NULL, NULL, NULL },
		{ BYTES("\0joe\0secret\0"), NULL, NULL, NULL },
		{ BYTES("\0joe\0secret\0x"), NULL, NULL, NULL },
		{ BYTES("\0\0joe\0secret"), NULL, NULL, NULL },
		{ BYTES("joe\0\0secret\0"), NULL, NULL, NULL },
		{ BYTES("u\0\0"), NULL, NULL, NULL },
		{ BYTES("\0\0\0"), NULL, NULL, NULL },
		{ BYTES("\0\0\0\0\0\0\0\0"), NULL, NULL, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_plain(&rows[i]);
		assert_int_equal(sasl.credentials.malformed, rows[i].authcid == NULL);
	}
}

static void
PL3_plain_needs_name_and_password_in_utf8(void **state)
{
	static const struct plain_row rows[] = {
		{ BYTES("\0\0"), NULL, NULL, NULL },
		{ BYTES("\0\0p"), NULL, NULL, NULL },
		{ BYTES("\0u\0"), NULL, NULL, NULL },
		{ BYTES("u\0\0p"), NULL, NULL, NULL },
		{ BYTES("u\0u\0"), NULL, NULL, NULL },
		{ BYTES("\0\xff\0p"), NULL, NULL, NULL },
		{ BYTES("\0u\0\xff"), NULL, NULL, NULL },
		{ BYTES("\0u\0p\xc3"), NULL, NULL, NULL },
		{ BYTES("\xc0\x80\0u\0p"), NULL, NULL, NULL },
		{ BYTES("\0u\0p\xed\xa0\x80"), NULL, NULL, NULL },
		{ BYTES("\0u\0a\r\nb"), NULL, NULL, NULL },
		{ BYTES("\0u\tv\0p"), NULL, NULL, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_plain(&rows[i]);
}

/* A message of parts with so many octets each. */
static struct bytes
plain_of(size_t authzid, size_t authcid, size_t secret)
{
	static char message[2 * SASL_MESSAGE_MAX];
	char *at = message;

	memset(at, 'z', authzid);
	at += authzid;
	*at++ = '\0';
	memset(at, 'c', authcid);
	at += authcid;
	*at++ = '\0';
	memset(at, 's', secret);
	at += secret;
	return (struct bytes){ message, (size_t)(at - message) };
}

static void
PL2_T33_plain_parts_have_limits(void **state)
{
	static const struct {
		size_t authzid, authcid, secret;
		bool good;
	} rows[] = {
		{ 0, 1, 1, true },
		{ 255, 255, 255, true },
		{ 0, 255, 511, true },
		{ 255, 255, 511, true },
		{ 0, 254, 510, true },
		{ 0, 256, 1, false },
		{ 256, 1, 1, false },
		{ 0, 1, 512, false },
		{ 0, 1, 513, false },
		{ 0, 257, 1, false },
		{ 257, 1, 1, false },
		{ 0, 1, 4096, false },
		{ 0, 12000, 1, false },
		{ 12000, 1, 1, false },
		{ 0, 1, 12000, false },
	};
	struct credentials *c = &sasl.credentials;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sasl_begin(&sasl, sasl_find("PLAIN"), "");
		assert_int_equal(step(plain_of(rows[i].authzid, rows[i].authcid, rows[i].secret)), SASL_DONE);
		assert_int_equal(c->malformed, !rows[i].good);
		if (c->malformed)
			continue;
		assert_int_equal(strlen(c->authzid), rows[i].authzid);
		assert_int_equal(strlen(c->authcid), rows[i].authcid);
		assert_int_equal(strlen(c->secret), rows[i].secret);
	}
}

static void
LG1_login_asks_for_name_and_password_in_these_words(void **state)
{
	(void)state;
	sasl_begin(&sasl, sasl_find("LOGIN"), "");
	assert_string_equal(sasl.challenge, "Username:");
	assert_int_equal(step((struct bytes)BYTES("joe")), SASL_MORE);
	assert_string_equal(sasl.challenge, "Password:");
	assert_int_equal(step((struct bytes)BYTES("secret")), SASL_DONE);
	assert_false(sasl.credentials.malformed);
	assert_string_equal(sasl.credentials.authcid, "joe");
	assert_string_equal(sasl.credentials.authzid, "");
	assert_string_equal(sasl.credentials.secret, "secret");
}

static bool
is_malformed(struct bytes part)
{
	return part.len == 0 || memchr(part.text, '\0', part.len) != NULL;
}

/* Wrong parts are found out at the end only: a client that is told earlier knows what was wrong. */
static void
LG2_login_with_wrong_parts_is_malformed_at_its_end(void **state)
{
	static const struct {
		struct bytes user, password;
	} rows[] = {
		{ BYTES(""), BYTES("p") },
		{ BYTES("u"), BYTES("") },
		{ BYTES(""), BYTES("") },
		{ BYTES("u\0v"), BYTES("p") },
		{ BYTES("u"), BYTES("p\0") },
		{ BYTES("\0"), BYTES("p") },
		{ BYTES("u"), BYTES("\0p") },
		{ BYTES("\xff"), BYTES("p") },
		{ BYTES("u"), BYTES("p\xc3") },
		{ BYTES("\0u\0p"), BYTES("p") },
		{ BYTES("a\nb"), BYTES("p") },
		{ BYTES("-froot"), BYTES("p") },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sasl_begin(&sasl, sasl_find("LOGIN"), "");
		assert_int_equal(step(rows[i].user), SASL_MORE);
		assert_string_equal(sasl.challenge, "Password:");
		assert_int_equal(step(rows[i].password), SASL_DONE);
		assert_true(hopeless(&sasl.credentials));
		if (is_malformed(rows[i].user) || is_malformed(rows[i].password))
			assert_true(sasl.credentials.malformed);
	}
}

static void
LG3_T33_login_parts_have_limits(void **state)
{
	static const struct {
		size_t user, password;
		bool good;
	} rows[] = {
		{ 1, 1, true },
		{ 255, 511, true },
		{ 256, 1, false },
		{ 1, 512, false },
		{ 256, 512, false },
		{ 12000, 12000, false },
	};
	static char text[12000];
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sasl_begin(&sasl, sasl_find("LOGIN"), "");
		assert_int_equal(step((struct bytes){ text, rows[i].user }), SASL_MORE);
		assert_int_equal(step((struct bytes){ text, rows[i].password }), SASL_DONE);
		assert_int_equal(sasl.credentials.malformed, !rows[i].good);
		assert_int_equal(strlen(sasl.credentials.authcid) == rows[i].user, rows[i].user <= SASL_NAME_MAX);
	}
}

/* --- EXTERNAL ------------------------------------------------------------ */

static void
EX2_EX3_external_takes_its_identity_from_the_certificate(void **state)
{
	static const struct {
		struct bytes message;
		const char *authzid; /* NULL: malformed */
	} rows[] = {
		{ BYTES(""), "" },
		{ BYTES("alice"), "alice" },
		{ BYTES("bob"), "bob" },
		{ BYTES("a\0b"), NULL },
		{ BYTES("\0"), NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sasl_begin(&sasl, sasl_find("EXTERNAL"), "alice");
		assert_int_equal(step(rows[i].message), SASL_DONE);
		assert_int_equal(sasl.credentials.malformed, rows[i].authzid == NULL);
		assert_string_equal(sasl.credentials.authcid, "alice");
		assert_string_equal(sasl.credentials.secret, "");
		if (rows[i].authzid != NULL)
			assert_string_equal(sasl.credentials.authzid, rows[i].authzid);
	}
}

static void
T7_names_in_certificates_have_a_limit(void **state)
{
	char name[400];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	sasl_begin(&sasl, sasl_find("EXTERNAL"), name);
	assert_int_equal(step((struct bytes)BYTES("")), SASL_DONE);
	assert_true(sasl.credentials.malformed);
	sasl_begin(&sasl, sasl_find("EXTERNAL"), name + 1);
	assert_int_equal(step((struct bytes){ name, 255 }), SASL_DONE);
	assert_false(sasl.credentials.malformed);
	assert_string_equal(sasl.credentials.authcid, name + 1);
	sasl_begin(&sasl, sasl_find("EXTERNAL"), "alice");
	assert_int_equal(step((struct bytes){ name, 256 }), SASL_DONE);
	assert_true(sasl.credentials.malformed);
}

/* Only the mechanism that proves by certificate has anything to do with it. */
static void
EX4_identity_is_nothing_to_other_mechanisms(void **state)
{
	(void)state;
	sasl_begin(&sasl, sasl_find("PLAIN"), "alice");
	assert_int_equal(step((struct bytes)BYTES("\0\0pw")), SASL_DONE);
	assert_true(sasl.credentials.malformed);
	sasl_begin(&sasl, sasl_find("OAUTHBEARER"), "alice");
	assert_int_equal(step((struct bytes)BYTES("n,,\1auth=Bearer T\1\1")), SASL_DONE);
	assert_string_equal(sasl.credentials.authcid, "");
	assert_string_equal(sasl.credentials.authzid, "");
}

/* --- OAuth --------------------------------------------------------------- */

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
	for (i = 0; i < sizeof(bearers) / sizeof(bearers[0]); i++)
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
	for (i = 0; i < sizeof(xoauth2s) / sizeof(xoauth2s[0]); i++)
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
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
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

static void
exchange_begins_with_nothing_of_the_last_one(void **state)
{
	(void)state;
	sasl_begin(&sasl, sasl_find("PLAIN"), "");
	step(plain_of(255, 255, 600));
	assert_true(sasl.credentials.malformed);
	sasl_begin(&sasl, sasl_find("LOGIN"), "");
	assert_false(sasl.credentials.malformed);
	step((struct bytes)BYTES("u"));
	step((struct bytes)BYTES("p"));
	assert_false(sasl.credentials.malformed);
	assert_string_equal(sasl.credentials.authzid, "");
	assert_string_equal(sasl.credentials.authcid, "u");
	assert_string_equal(sasl.credentials.secret, "p");
}

static void
T55_forgotten_exchange_is_all_zeros(void **state)
{
	static const char zeros[sizeof(struct sasl)];

	(void)state;
	sasl_begin(&sasl, sasl_find("PLAIN"), "");
	step(plain_of(255, 255, 511));
	sasl_forget(&sasl);
	assert_memory_equal(&sasl.credentials, zeros, sizeof(sasl.credentials));
}

/* --- the LOGIN command --------------------------------------------------- */

static void
login_command_fills_credentials(void **state)
{
	static const struct {
		struct bytes user, password;
		bool hopeless;
	} rows[] = {
		{ BYTES("joe"), BYTES("secret"), false },
		{ BYTES(""), BYTES("p"), true },
		{ BYTES("u"), BYTES(""), true },
		{ BYTES("u\0v"), BYTES("p"), true },
		{ BYTES("u"), BYTES("p\0q"), true },
		{ BYTES("u"), BYTES("a\r\nb"), true },
		{ BYTES("\xff"), BYTES("p"), true },
		{ BYTES("nil"), BYTES("NIL"), false },
	};
	struct credentials c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *user = copy_of(rows[i].user), *password = copy_of(rows[i].password);

		memset(&c, 'x', sizeof(c));
		sasl_login(&c, user, rows[i].user.len, password, rows[i].password.len);
		free(user);
		free(password);
		assert_int_equal(hopeless(&c), rows[i].hopeless);
		assert_string_equal(c.authzid, "");
		if (rows[i].hopeless)
			continue;
		assert_string_equal(c.authcid, rows[i].user.text);
		assert_string_equal(c.secret, rows[i].password.text);
	}
}

/* A long string has its length only: the octets behind COMMAND_STRING_MAX are not there to be read. */
static void
T33_login_command_with_strings_that_were_only_measured(void **state)
{
	static const struct {
		size_t user, password;
		bool good;
	} rows[] = {
		{ 255, 511, true },
		{ 256, 1, false },
		{ 1, 512, false },
		{ 4096, 1, false },
		{ 1, 4096, false },
		{ 16000, 16000, false },
	};
	struct command_string *user = calloc(1, sizeof(*user)), *password = calloc(1, sizeof(*password));
	struct credentials c;
	size_t i;

	(void)state;
	assert_non_null(user);
	assert_non_null(password);
	memset(user->text, 'u', COMMAND_STRING_MAX);
	memset(password->text, 'p', COMMAND_STRING_MAX);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sasl_login(&c, user->text, rows[i].user, password->text, rows[i].password);
		assert_int_equal(c.malformed, !rows[i].good);
	}
	free(user);
	free(password);
}

/* --- base64 -------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Decodes into an allocation of just the promised size. */
static bool
decode(struct bytes base64, char *out, size_t *len)
{
	char *copy = copy_of(base64), *exact = malloc(SASL_MESSAGE_MAX);
	bool good;

	assert_non_null(exact);
	*len = SIZE_MAX;
	good = sasl_decode(copy, base64.len, exact, len);
	if (good) {
		assert_true(*len <= SASL_MESSAGE_MAX);
		memcpy(out, exact, *len);
	}
	free(copy);
	free(exact);
	return good;
}

/* The canonical encoding, by the book: RFC 4648, 4. */
static size_t
encode(const char *in, size_t len, char *out)
{
	char *at = out;
	size_t i;

	for (i = 0; i < len; i += 3) {
		uint32_t b = (uint32_t)(unsigned char)in[i] << 16;

		b |= i + 1 < len ? (uint32_t)(unsigned char)in[i + 1] << 8 : 0;
		b |= i + 2 < len ? (unsigned char)in[i + 2] : 0;
		*at++ = alphabet[b >> 18];
		*at++ = alphabet[b >> 12 & 63];
		*at++ = i + 1 < len ? alphabet[b >> 6 & 63] : '=';
		*at++ = i + 2 < len ? alphabet[b & 63] : '=';
	}
	return (size_t)(at - out);
}

static void
A3_base64_that_is_good(void **state)
{
	static const struct {
		struct bytes base64, message;
	} rows[] = {
		{ BYTES(""), BYTES("") },
		{ BYTES("AAAA"), BYTES("\0\0\0") },
		{ BYTES("QQ=="), BYTES("A") },
		{ BYTES("QUI="), BYTES("AB") },
		{ BYTES("QUJD"), BYTES("ABC") },
		{ BYTES("AGEAYg=="), BYTES("\0a\0b") },
		{ BYTES("////"), BYTES("\xff\xff\xff") },
		{ BYTES("++++"), BYTES("\xfb\xef\xbe") },
		{ BYTES("/w=="), BYTES("\xff") },
		{ BYTES("//8="), BYTES("\xff\xff") },
		{ BYTES("AQ=="), BYTES("\x01") },
	};
	static char out[SASL_MESSAGE_MAX];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(decode(rows[i].base64, out, &len));
		assert_int_equal(len, rows[i].message.len);
		assert_memory_equal(out, rows[i].message.text, len);
	}
}

static void
A3_T22_base64_that_is_not_the_one_encoding(void **state)
{
	static const struct bytes rows[] = {
		BYTES("="),
		BYTES("=="),
		BYTES("==="),
		BYTES("===="),
		BYTES("A"),
		BYTES("AA"),
		BYTES("AAA"),
		BYTES("AAAAA"),
		BYTES("=AAA"),
		BYTES("A=AA"),
		BYTES("AA=A"),
		BYTES("A==="),
		BYTES("AAA=BBB"),
		BYTES("AAA=BBBB"),
		BYTES("AA==BBBB"),
		BYTES("QQ==QQ=="),
		BYTES("AAAA===="),
		BYTES("AAAA="),
		BYTES("AAAA=="),
		BYTES("AA=="
		      "="),
		BYTES("A\x20"
		      "AA"),
		BYTES(" AAAA"),
		BYTES("AAAA "),
		BYTES("   AAAA "),
		BYTES("AA AA   "),
		BYTES("AAAA\r\n"),
		BYTES("AAAA\n"),
		BYTES("\nAAA"),
		BYTES("AAA\n"),
		BYTES("AAAA    "),
		BYTES("    AAAA"),
		BYTES("AAA "),
		BYTES(" AAA"),
		BYTES("AA\tA"),
		BYTES("AAA\r"),
		BYTES("AAA\v"),
		BYTES("AAA\0"),
		BYTES("\0AAA"),
		BYTES("AAAA\0\0\0\0"),
		BYTES("AA\0\0"),
		BYTES("-AAA"),
		BYTES("AAA-"),
		BYTES("AA--"),
		BYTES("A---"),
		BYTES("----"),
		BYTES("AAAA----"),
		BYTES("_AAA"),
		BYTES("AAA_"),
		BYTES("AAA*"),
		BYTES("*"),
		BYTES("****"),
		BYTES("QR=="),
		BYTES("QUJ="),
		BYTES("QV=="),
		BYTES("QUK="),
		BYTES("//9="),
		BYTES("/x=="),
		BYTES("AA=\0"),
		BYTES("AAA\xff"),
		BYTES("AAA\x80"),
		BYTES("\xc3\xa4"
		      "AA"),
		BYTES("\"AAAA\""),
		BYTES("{4+}"),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAA"),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==AAAAAA=="),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA===="),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA    "),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQR=="),
	};
	static char out[SASL_MESSAGE_MAX];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (decode(rows[i], out, &len))
			fail_msg("row %zu was decoded: %.*s", i, (int)rows[i].len, rows[i].text);
}

static void
A3_only_the_alphabet_is_base64(void **state)
{
	static char out[SASL_MESSAGE_MAX];
	char text[68];
	size_t at, len;
	int ch;

	(void)state;
	for (at = 0; at < sizeof(text); at++) {
		memset(text, 'A', sizeof(text));
		for (ch = 0; ch < 256; ch++) {
			text[at] = (char)ch;
			assert_int_equal(decode((struct bytes){ text, sizeof(text) }, out, &len),
			    (ch != 0 && strchr(alphabet, ch) != NULL) || (ch == '=' && at == sizeof(text) - 1));
		}
	}
}

/*
 * Of all that four characters can be, exactly the encodings of one, two and
 * three octets are taken: as many as there are such messages where the last
 * character is "Q" (which stands for 64 of them) or "=".
 */
static void
T22_every_last_group_is_canonical_or_refused(void **state)
{
	static const char last[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	static char out[SASL_MESSAGE_MAX];
	char text[4], again[4];
	size_t i, len, good = 0;

	(void)state;
	for (i = 0; i < 65 * 65 * 65 * 2; i++) {
		text[0] = last[i / (65 * 65 * 2)];
		text[1] = last[i / (65 * 2) % 65];
		text[2] = last[i / 2 % 65];
		text[3] = i % 2 ? '=' : 'Q';
		if (!sasl_decode(text, 4, out, &len))
			continue;
		assert_int_equal(encode(out, len, again), 4);
		assert_memory_equal(again, text, 4);
		good++;
	}
	assert_int_equal(good, 64 * 64 * 64 + 256 * 256 + 256);
}

static void
what_was_encoded_is_decoded_at_any_length(void **state)
{
	static char message[SASL_MESSAGE_MAX + 3], base64[SASL_MESSAGE_MAX / 3 * 4 + 8], out[SASL_MESSAGE_MAX];
	size_t i, len, n, coded;

	(void)state;
	for (i = 0; i < sizeof(message); i++)
		message[i] = (char)(i * 31 + i / 256);
	for (n = 0; n <= sizeof(message); n = n < 1000 || n >= SASL_MESSAGE_MAX - 10 ? n + 1 : n + 97) {
		coded = encode(message, n, base64);
		if (n > SASL_MESSAGE_MAX) {
			assert_false(decode((struct bytes){ base64, coded }, out, &len));
			continue;
		}
		assert_true(decode((struct bytes){ base64, coded }, out, &len));
		assert_int_equal(len, n);
		assert_memory_equal(out, message, n);
	}
}

static void
longer_base64_than_any_line_is_refused(void **state)
{
	static char base64[64 * 1024];
	static char out[SASL_MESSAGE_MAX];
	size_t n, len;

	(void)state;
	memset(base64, 'A', sizeof(base64));
	for (n = SASL_MESSAGE_MAX / 3 * 4 + 1; n <= sizeof(base64); n += 4093)
		assert_false(decode((struct bytes){ base64, n }, out, &len));
	assert_false(decode((struct bytes){ base64, sizeof(base64) }, out, &len));
	assert_true(decode((struct bytes){ base64, SASL_MESSAGE_MAX / 3 * 4 }, out, &len));
}

/* --- UTF-8 --------------------------------------------------------------- */

/* Length of the character that begins here, worked out from its value: a second opinion on the table in utf8.c. */
static size_t
utf8_by_value(const unsigned char *s, size_t len)
{
	size_t n = len == 0 ? 0
	    : s[0] < 0x80   ? 1
	    : s[0] < 0xc0   ? 0
	    : s[0] < 0xe0   ? 2
	    : s[0] < 0xf0   ? 3
	    : s[0] < 0xf8   ? 4
			    : 0,
	       i;
	uint32_t value;

	if (n == 0 || n > len)
		return 0;
	value = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
		value = value << 6 | (s[i] & 0x3fu);
	}
	if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return n == (value < 0x80 ? 1u : value < 0x800 ? 2u : value < 0x10000 ? 3u : 4u) ? n : 0;
}

static void
check_utf8(const unsigned char *s, size_t len)
{
	if (utf8_sequence((const char *)s, len) != utf8_by_value(s, len))
		fail_msg("%zu octets %02x %02x %02x %02x: %zu, not %zu", len, s[0], s[1], s[2], s[3],
		    utf8_sequence((const char *)s, len), utf8_by_value(s, len));
}

static void
T17_all_sequences_of_up_to_three_octets(void **state)
{
	unsigned char s[4] = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 0x1000000; i++) {
		s[0] = (unsigned char)(i >> 16);
		s[1] = (unsigned char)(i >> 8);
		s[2] = (unsigned char)i;
		check_utf8(s, 3);
		if (s[2] == 0)
			check_utf8(s, 2);
		if (s[2] == 0 && s[1] == 0)
			check_utf8(s, 1);
	}
}

/* Octets at which something changes, in every place of four. */
static void
T17_sequences_of_four_octets(void **state)
{
	static const unsigned char edges[] = { 0x00, 0x01, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
		0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfb, 0xfc,
		0xfe, 0xff };
	const size_t n = sizeof(edges);
	unsigned char s[4];
	size_t i, len;

	(void)state;
	for (i = 0; i < n * n * n * n; i++) {
		s[0] = edges[i / (n * n * n)];
		s[1] = edges[i / (n * n) % n];
		s[2] = edges[i / n % n];
		s[3] = edges[i % n];
		for (len = 0; len <= 4; len++)
			check_utf8(s, len);
	}
}

static void
T17_truncated_text_is_none(void **state)
{
	static const char *const characters[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
	char text[8];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		for (len = 1; len <= strlen(characters[i]); len++) {
			strcpy(text, "ab");
			strncat(text, characters[i], len);
			assert_int_equal(sasl_is_text(text), len == strlen(characters[i]));
			assert_int_equal(sasl_is_text(text + 2), len == strlen(characters[i]));
		}
	}
}

static void
PL3_what_may_be_given_to_pam(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", false },
		{ "a", true },
		{ " ", true },
		{ "sec ret", true },
		{ "~", true },
		{ "\x7f", false },
		{ "a\x7f", false },
		{ "a\n", false },
		{ "\r", false },
		{ "a\tb", false },
		{ "\x1f", false },
		{ "\x01", false },
		{ "\x80", false },
		{ "\xc3\xa4", true },
		{ "\xe2\x82\xac", true },
		{ "\xf0\x9f\x98\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false },
		{ "\xc0\x80", false },
		{ "\xc0\xaf", false },
		{ "\xc1\xbf", false },
		{ "\xe0\x80\x80", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xf0\x80\x80\x80", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xed\x9f\xbf", true },
		{ "\xee\x80\x80", true },
		{ "\xed\xa0\xbd\xed\xb8\x80", false },
		{ "\xfe", false },
		{ "\xff", false },
		{ "\xf8\x88\x80\x80\x80", false },
		{ "a\xe2\x82", false },
		{ "\xe2\x82"
		  "a",
		    false },
		{ "\xf0\x9f\x98", false },
		{ "a\x80", false },
		{ "%n%s%s", true },
		{ "-/:", true },
	};
	size_t i;
	char text[3];

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (sasl_is_text(rows[i].text) != rows[i].good)
			fail_msg("row %zu is%s text", i, rows[i].good ? " no" : "");
	for (i = 1; i < 0x80; i++) {
		snprintf(text, sizeof(text), "a%c", (char)i);
		assert_int_equal(sasl_is_text(text), i >= ' ' && i != 0x7f);
	}
}

static void
T27_what_may_be_a_name(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "joe", true },
		{ "joe@example.org", true },
		{ "joe.doe", true },
		{ "joe-doe", true },
		{ "joe+tag", true },
		{ "j\xc3\xb6rg", true },
		{ "0", true },
		{ "JOE", true },
		{ "joe%x", true },
		{ "_joe", true },
		{ "", false },
		{ "-f root", false },
		{ "-froot", false },
		{ "-", false },
		{ "-schallenge", false },
		{ "+joe", false },
		{ "+", false },
		{ ".", false },
		{ "..", false },
		{ ".joe", false },
		{ "../joe", false },
		{ "/", false },
		{ "joe/x", false },
		{ "joe/", false },
		{ "/etc/passwd", false },
		{ "joe:x", false },
		{ ":", false },
		{ "joe:", false },
		{ "joe\n", false },
		{ "joe\nroot", false },
		{ "joe\t", false },
		{ "joe\x7f", false },
		{ "joe\xff", false },
		{ "\xc0\xae", false },
	};
	char name[SASL_NAME_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (sasl_is_name(rows[i].name) != rows[i].good)
			fail_msg("row %zu (%s) is%s a name", i, rows[i].name, rows[i].good ? " not" : "");
	memset(name, 'n', SASL_NAME_MAX);
	name[SASL_NAME_MAX] = '\0';
	assert_true(sasl_is_name(name));
}

static void
T54_only_names_of_mechanisms_are_for_the_log(void **state)
{
	static const char *const known[] = { "LOGIN-command", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256-PLUS", "KERBEROS_V4" };
	static const char *const words[] = { "", "SESAME", "PLAIN ", "plain", "PLAINX", "OTHER", "X\nY" };
	const struct sasl_mechanism *m;
	size_t i;

	(void)state;
	for (m = sasl_mechanisms; m->name != NULL; m++)
		assert_string_equal(sasl_log_name(sasl_log_number(m->name)), m->name);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_string_equal(sasl_log_name(sasl_log_number(known[i])), known[i]);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_string_equal(sasl_log_name(sasl_log_number(words[i])), "other");
	assert_null(sasl_log_name(1000));
	assert_null(sasl_log_name((unsigned)-1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(C4_table_of_mechanisms),
		cmocka_unit_test(A4_other_names_are_no_mechanisms),
		cmocka_unit_test(PL1_plain_has_exactly_two_nuls),
		cmocka_unit_test(PL3_plain_needs_name_and_password_in_utf8),
		cmocka_unit_test(PL2_T33_plain_parts_have_limits),
		cmocka_unit_test(LG1_login_asks_for_name_and_password_in_these_words),
		cmocka_unit_test(LG2_login_with_wrong_parts_is_malformed_at_its_end),
		cmocka_unit_test(LG3_T33_login_parts_have_limits),
		cmocka_unit_test(EX2_EX3_external_takes_its_identity_from_the_certificate),
		cmocka_unit_test(T7_names_in_certificates_have_a_limit),
		cmocka_unit_test(EX4_identity_is_nothing_to_other_mechanisms),
		cmocka_unit_test(OB2_oauthbearer_message),
		cmocka_unit_test(xoauth2_message),
		cmocka_unit_test(key_that_comes_twice_has_one_of_its_values),
		cmocka_unit_test(T18_truncated_oauth_messages_are_malformed),
		cmocka_unit_test(OB2_parts_of_oauth_messages_have_limits),
		cmocka_unit_test(OB4_failure_is_told_in_json),
		cmocka_unit_test(exchange_begins_with_nothing_of_the_last_one),
		cmocka_unit_test(T55_forgotten_exchange_is_all_zeros),
		cmocka_unit_test(login_command_fills_credentials),
		cmocka_unit_test(T33_login_command_with_strings_that_were_only_measured),
		cmocka_unit_test(A3_base64_that_is_good),
		cmocka_unit_test(A3_T22_base64_that_is_not_the_one_encoding),
		cmocka_unit_test(A3_only_the_alphabet_is_base64),
		cmocka_unit_test(T22_every_last_group_is_canonical_or_refused),
		cmocka_unit_test(what_was_encoded_is_decoded_at_any_length),
		cmocka_unit_test(longer_base64_than_any_line_is_refused),
		cmocka_unit_test(T17_all_sequences_of_up_to_three_octets),
		cmocka_unit_test(T17_sequences_of_four_octets),
		cmocka_unit_test(T17_truncated_text_is_none),
		cmocka_unit_test(PL3_what_may_be_given_to_pam),
		cmocka_unit_test(T27_what_may_be_a_name),
		cmocka_unit_test(T54_only_names_of_mechanisms_are_for_the_log),
	};

	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
