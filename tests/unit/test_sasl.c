/*
 * SASL: the table of mechanisms, PLAIN, LOGIN, EXTERNAL and the LOGIN command
 * (RFC 4616, RFC 4422). OAuth is in test_oauth.c, base64 in test_base64.c,
 * text and names in test_utf8.c.
 */

#include "exchange.h"

#include "boundary/msg.h"
#include "proto/command.h"

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
	for (i = 0; i < ROWS(others); i++)
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
	for (i = 0; i < ROWS(rows); i++) {
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
	for (i = 0; i < ROWS(rows); i++)
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
	for (i = 0; i < ROWS(rows); i++) {
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
	for (i = 0; i < ROWS(rows); i++) {
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
	for (i = 0; i < ROWS(rows); i++) {
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
	for (i = 0; i < ROWS(rows); i++) {
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

/* --- the exchange -------------------------------------------------------- */

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
	for (i = 0; i < ROWS(rows); i++) {
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
	for (i = 0; i < ROWS(rows); i++) {
		sasl_login(&c, user->text, rows[i].user, password->text, rows[i].password);
		assert_int_equal(c.malformed, !rows[i].good);
	}
	free(user);
	free(password);
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
		cmocka_unit_test(exchange_begins_with_nothing_of_the_last_one),
		cmocka_unit_test(T55_forgotten_exchange_is_all_zeros),
		cmocka_unit_test(login_command_fills_credentials),
		cmocka_unit_test(T33_login_command_with_strings_that_were_only_measured),
		cmocka_unit_test(T54_only_names_of_mechanisms_are_for_the_log),
	};

	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
