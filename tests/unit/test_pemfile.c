/* Tests of pemfile: the mistakes that it has words for, and silence about all else. */

#include "tls/pemfile.h"

#include "unit.h"

#define PART(label)	"-----BEGIN " label "-----\nAAAA\n-----END " label "-----"
#define CERTIFICATE	PART("CERTIFICATE") "\n"
#define KEY		PART("PRIVATE KEY") "\n"
#define CRL		PART("X509 CRL") "\n"

static const struct {
	enum pemfile_kind	 kind;
	const char		*text, *words;
} cases[] = {
	{ PEMFILE_CERTIFICATE, "", NULL },
	{ PEMFILE_CERTIFICATE, "-----BEGIN ", NULL },
	{ PEMFILE_CERTIFICATE, CERTIFICATE, NULL },
	{ PEMFILE_CERTIFICATE, "subject=CN = x\n" CERTIFICATE KEY, NULL },
	{ PEMFILE_CERTIFICATE, "\r\n" CERTIFICATE, NULL },
	{ PEMFILE_CERTIFICATE, KEY, "it holds a private key and no certificate" },
	{ PEMFILE_CERTIFICATE, PART("EC PARAMETERS") "\n" PART("EC PRIVATE KEY") "\n", "it holds a private key and no certificate" },
	{ PEMFILE_CERTIFICATE, PART("NEW CERTIFICATE REQUEST"), "it holds a certificate request; use the certificate that the authority issued" },
	{ PEMFILE_CERTIFICATE, PART("CERTIFICATE") CERTIFICATE, "a line end is missing before \"-----BEGIN\"" },
	{ PEMFILE_CERTIFICATE, CERTIFICATE PART("CERTIFICATE") KEY, "a line end is missing before \"-----BEGIN\"" },
	{ PEMFILE_CERTIFICATE, " " CERTIFICATE, "a line end is missing before \"-----BEGIN\"" },
	{ PEMFILE_KEY, KEY, NULL },
	{ PEMFILE_KEY, PART("ENCRYPTED PRIVATE KEY") "\n", NULL },
	{ PEMFILE_KEY, CERTIFICATE KEY, NULL },
	{ PEMFILE_KEY, CERTIFICATE, "it holds a certificate and no private key" },
	{ PEMFILE_KEY, PART("CERTIFICATE") KEY, "a line end is missing before \"-----BEGIN\"" },
	{ PEMFILE_REVOCATIONS, CRL, NULL },
	{ PEMFILE_REVOCATIONS, CERTIFICATE CRL, NULL },
	{ PEMFILE_REVOCATIONS, CERTIFICATE, "it holds a certificate and no revocation list" },
	{ PEMFILE_REVOCATIONS, PART("X509 CRL") CRL, "a line end is missing before \"-----BEGIN\"" },
};

static void
mistakes_have_words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *words = pemfile_explain(cases[i].kind, cases[i].text, strlen(cases[i].text));

		if (words != cases[i].words && (words == NULL || cases[i].words == NULL || strcmp(words, cases[i].words) != 0))
			fail_msg("%s: %s", cases[i].text, words != NULL ? words : "no words");
	}
}

static void
files_that_can_not_be_read(void **state)
{
	(void)state;
	assert_string_equal(pemfile_explain_file(PEMFILE_KEY, "/nonexistent/key.pem"), "No such file or directory");
	assert_string_equal(pemfile_explain_file(PEMFILE_CERTIFICATE, "/tmp"), "Is a directory");
	assert_null(pemfile_explain_file(PEMFILE_CERTIFICATE, "/dev/null"));
	/* It does not end by itself, and is no PEM. */
	assert_null(pemfile_explain_file(PEMFILE_CERTIFICATE, "/dev/zero"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_have_words),
		cmocka_unit_test(files_that_can_not_be_read),
	};

	return cmocka_run_group_tests_name("pemfile", tests, NULL, NULL);
}
