/*
 * The file of --config: the same options with the same values as on the
 * command line, and what can't be understood is one line that names the file,
 * the line and the option.
 */

#include "child.h"

#include <getopt.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/options.h"

#define WORDS_MAX	8

/* A file, and words of a command line behind "imapgate --config FILE". */
struct given {
	const char	*text;
	const char	*words[WORDS_MAX];
};

static struct options options;
static struct child child;
static bool program_in_file;	/* and none on the command line */
static char path[] = "/tmp/imapgate-config-XXXXXX";

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void
parse(void *arg)
{
	const struct given *g = arg;
	char *argv[WORDS_MAX + 6] = { (char *)"imapgate", (char *)"--config", path };
	FILE *file = fopen(path, "w");
	int argc = 3;
	size_t i;

	assert_non_null(file);
	fputs(g->text, file);
	fclose(file);
	for (i = 0; g->words[i] != NULL; i++)
		argv[argc++] = (char *)g->words[i];
	if (!program_in_file) {
		argv[argc++] = (char *)"--";
		argv[argc++] = (char *)"prog";
	}
	memset(&options, 0xff, sizeof(options));
	optind = 0;
	options_parse(&options, argc, argv);
}

#define PARSE(text, ...)	parse(&(struct given){ text, { __VA_ARGS__ } })

/* --- good files ---------------------------------------------------------- */

static void
every_option_may_stand_there(void **state)
{
	struct options *o = &options;

	(void)state;
	PARSE("cert = /c.pem\nkey = /k.pem\ntls-on-connect = yes\ntls = MinProtocol=TLSv1.3\nktls = off\n"
	    "client-ca = /ca.pem\nclient-crl = /crl.pem\ncert-user = upn\nallow-cleartext = loopback\npreauth = cert\n"
	    "max-attempts = 5\nfailure-delay = 0.5\ntimeout = 120\ncapability = LITERAL- XLIST\nstrict = yes\n"
	    "pam-service = mail\noauth-service = tokens\npam-confdir = /etc/x\npam-session = none\npam-text = always\nmin-uid = 500\n"
	    "run-as = vmail\nhome = /var/mail/%d/%n\nhandoff = greeting\ncapability-after = IMAP4rev1 IDLE\n"
	    "setenv = MAIL=maildir:%h/Maildir\ngate-user = gate\ngate-root = /var/empty\nlog = stderr\n"
	    "proxy = 192.0.2.10\nmax-connections = 11\nmax-connections-per-address = 12\nmax-sessions = 13\n"
	    "max-sessions-per-address = 14\nmax-sessions-per-user = 15\nunlimited = 192.0.2.0/24\n", NULL);
	assert_string_equal(o->config, path);
	assert_int_equal(o->n_cert, 1);
	assert_string_equal(o->cert[0], "/c.pem");
	assert_string_equal(o->key[0], "/k.pem");
	assert_true(o->tls_on_connect);
	assert_int_equal(o->n_tls, 1);
	assert_string_equal(o->tls[0], "MinProtocol=TLSv1.3");
	assert_int_equal(o->ktls, KTLS_OFF);
	assert_string_equal(o->client_ca, "/ca.pem");
	assert_string_equal(o->client_crl, "/crl.pem");
	assert_int_equal(o->cert_user, CERT_USER_UPN);
	assert_int_equal(o->allow_cleartext, CLEARTEXT_LOOPBACK);
	assert_int_equal(o->preauth, PREAUTH_CERT);
	assert_int_equal(o->max_attempts, 5);
	assert_int_equal(o->failure_delay_ms, 500);
	assert_int_equal(o->timeout_ms, 120000);
	assert_string_equal(o->capability, "LITERAL- XLIST");
	assert_true(o->strict);
	assert_string_equal(o->pam_service, "mail");
	assert_string_equal(o->oauth_service, "tokens");
	assert_string_equal(o->pam_confdir, "/etc/x");
	assert_int_equal(o->min_uid, 500);
	assert_string_equal(o->run_as, "vmail");
	assert_string_equal(o->home, "/var/mail/%d/%n");
	assert_int_equal(o->handoff, GREETING_STYLE_GREETING);
	assert_string_equal(o->capability_after, "IMAP4rev1 IDLE");
	assert_int_equal(o->n_setenv, 1);
	assert_string_equal(o->setenv[0], "MAIL=maildir:%h/Maildir");
	assert_string_equal(o->gate_user, "gate");
	assert_string_equal(o->gate_root, "/var/empty");
	assert_int_equal(o->log, LOG_TO_STDERR);
	assert_int_equal(o->n_proxy, 1);
	assert_int_equal(o->max_connections, 11);
	assert_int_equal(o->max_connections_per_address, 12);
	assert_int_equal(o->max_sessions, 13);
	assert_int_equal(o->max_sessions_per_address, 14);
	assert_int_equal(o->max_sessions_per_user, 15);
	assert_int_equal(o->n_unlimited, 1);
	assert_string_equal(o->program[0], "prog");
}

static void
nothing_in_it_is_nothing_said(void **state)
{
	static const char *const empty[] = { "", "\n\n", "# cert = /c.pem", "   \n\t# x\r\n  # y\n", "\\\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		PARSE(empty[i], NULL);
		assert_int_equal(options.n_cert, 0);
		assert_int_equal(options.timeout_ms, 60000);
	}
}

static void
flags_are_yes_or_no(void **state)
{
	(void)state;
	PARSE("strict=no\ntls-on-connect=no\n", NULL);
	assert_false(options.strict);
	assert_false(options.tls_on_connect);
	PARSE("strict=yes\n", NULL);
	assert_true(options.strict);
}

/* config(5): what OpenSSL's syntax makes of a value. */
static void
values_are_written_as_for_openssl(void **state)
{
	static const struct {
		const char	*written, *means;
	} values[] = {
		{ "setenv = A=b c  \t\n", "A=b c" },
		{ "setenv=A=b", "A=b" },
		{ "\t setenv\t= A=b # c\r\n", "A=b" },
		{ "setenv = \"A=b # c\"\n", "A=b # c" },
		{ "setenv = 'A=$b'\n", "A=$b" },
		{ "setenv = \"A=$ENV::PATH\"\n", "A=$ENV::PATH" },
		{ "setenv = A=\\$b\\#\\\\\n", "A=$b#\\" },
		{ "setenv = A=\\\n  b\\\nc\n", "A=  bc" },
		{ "setenv = A=b\\\\\nstrict = yes\n", "A=b\\" },
		{ "setenv = A=b\\", "A=b" },
		{ "setenv = A=a\\tb\\nc\\rd\\be\\x\n", "A=a\tb\nc\rd\bex" },
		{ "setenv = \"A=a\\tb \\\" \"\n", "A=atb \" " },
		{ "setenv = A=`b 'c`\" d\"' e'f\n", "A=b 'c d ef" },
		{ "setenv = A=b\\ \n", "A=b " },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		PARSE(values[i].written, NULL);
		assert_int_equal(options.n_setenv, 1);
		assert_string_equal(options.setenv[0], values[i].means);
	}
}

static void
long_lines_are_whole(void **state)
{
	static char text[30000];
	size_t len = (size_t)sprintf(text, "setenv = A=");

	(void)state;
	memset(text + len, 'x', sizeof(text) - len - 2);
	PARSE(text, NULL);
	assert_int_equal(strlen(options.setenv[0]), sizeof(text) - 2 - strlen("setenv = "));
}

static void
repeated_lines_are_repeated_options(void **state)
{
	(void)state;
	PARSE("cert = a\ncert = b\nkey = ka\nsetenv = A=1\ntls = X=1\nsetenv = B=2\ntls = Y=2\n", NULL);
	assert_int_equal(options.n_cert, 2);
	assert_string_equal(options.cert[1], "b");
	assert_string_equal(options.key[0], "ka");
	assert_string_equal(options.key[1], "b");
	assert_int_equal(options.n_setenv, 2);
	assert_string_equal(options.setenv[1], "B=2");
	assert_int_equal(options.n_tls, 2);
}

static void
command_line_wins(void **state)
{
	(void)state;
	PARSE("timeout = 5\nstrict = no\nmax-attempts = 7\n", "--timeout=9", "--strict", NULL);
	assert_int_equal(options.timeout_ms, 9000);
	assert_true(options.strict);
	assert_int_equal(options.max_attempts, 7);
}

/* All lines of a name at once, since lists would else be of two minds. */
static void
command_line_replaces_a_whole_list(void **state)
{
	(void)state;
	PARSE("setenv = A=1\nsetenv = B=2\ntls = X=1\n", "--setenv=C=3", NULL);
	assert_int_equal(options.n_setenv, 1);
	assert_string_equal(options.setenv[0], "C=3");
	assert_int_equal(options.n_tls, 1);
}

static void
command_line_replaces_keys_with_their_certificates(void **state)
{
	(void)state;
	PARSE("cert = a\nkey = ka\ncert = b\nkey = kb\n", "--cert=c", NULL);
	assert_int_equal(options.n_cert, 1);
	assert_string_equal(options.cert[0], "c");
	assert_string_equal(options.key[0], "c");
}

/* What is hidden is remembered by its first line, once. */
static void
hidden_lines_are_known(void **state)
{
	(void)state;
	PARSE("timeout = 5\nkey = k\ncert = c\nkey = l\nprogram = imap -O\nstrict = yes\n", "--cert=x", "--timeout=5", NULL);
	assert_int_equal(options.n_hidden, 4);
	assert_string_equal(options.hidden[0].name, "timeout");
	assert_int_equal(options.hidden[0].line, 1);
	assert_string_equal(options.hidden[1].name, "key");
	assert_int_equal(options.hidden[1].line, 2);
	assert_string_equal(options.hidden[2].name, "cert");
	assert_string_equal(options.hidden[3].name, "program");
	assert_int_equal(options.hidden[3].line, 5);
	assert_string_equal(options.program[0], "prog");
	assert_null(options.program[1]);
}

static void
parse_program(const char *text)
{
	program_in_file = true;
	parse(&(struct given){ text, { NULL } });
	program_in_file = false;
}

/* Words end at blanks, and each has its quotes and escapes undone, as a whole value has. */
static void
program_is_words(void **state)
{
	static const struct {
		const char	*written, *words[5];
	} good[] = {
		{ "program = /bin/imap\n", { "/bin/imap" } },
		{ "program=imap -O\t-c  /etc/x \t\r\n", { "imap", "-O", "-c", "/etc/x" } },
		{ "program = imap -o mail=~/Maildir:%h * # x\n", { "imap", "-o", "mail=~/Maildir:%h", "*" } },
		{ "program = imap -o \"a b # c\" 'd\\e'\n", { "imap", "-o", "a b # c", "de" } },
		{ "program = imap -o a=\"b c\"d \\$x\\ y\n", { "imap", "-o", "a=b cd", "$x y" } },
		{ "program = \\\n  imap \\\n -O\n", { "imap", "-O" } },
		{ "program = imap \"\" ''\n", { "imap", "", "" } },
		{ "program = \"my imap\"# -O\n", { "my imap" } },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		parse_program(good[i].written);
		for (j = 0; good[i].words[j] != NULL; j++)
			assert_string_equal(options.program[j], good[i].words[j]);
		assert_null(options.program[j]);
	}
}

static void
last_file_is_read(void **state)
{
	(void)state;
	PARSE("timeout = 5\n", "--config=/nonexistent", "--config", path, NULL);
	assert_int_equal(options.timeout_ms, 5000);
}

/* --- files that can't be understood -------------------------------------- */

/* Wants one line that begins with the file and this, and ends in that. */
static void
assert_refused(const struct given *g, int status, const char *begin, const char *reason)
{
	char start[128];

	child_run(&child, parse, (void *)g);
	snprintf(start, sizeof(start), "imapgate: %s%s", path, begin);
	if (child.status != status || strncmp(child.err, start, strlen(start)) != 0 || strstr(child.err, reason) == NULL)
		fail_msg("%s: status %d\n%s", g->text, child.status, child.err);
	if (strchr(child.err, '\n') != child.err + child.len - 1)
		fail_msg("%s: not one line:\n%s", g->text, child.err);
	assert_string_equal(child.out, "");
}

static void
file_line_and_option_are_named(void **state)
{
	static const struct {
		const char	*text, *begin, *reason;
	} bad[] = {
		{ "timeout = 5\ntimeot = 6\n", ":2: timeot = 6: ", "unknown option" },
		{ "time = 6\n", ":1: time = 6: ", "unknown option" },
		{ "# x\n\n  timeout = soon\n", ":3: timeout = soon: ", "number from 1 to 86400" },
		{ "setenv = A=\\\n1\\\n2\ntimeout = 0\n", ":4: timeout = 0: ", "number" },
		{ "\n\nsetenv = \\\n\\\nA\n", ":3: setenv = A: ", "NAME=VALUE" },
		{ "handoff = both\n", ":1: handoff = both: ", "must be one of tag, greeting" },
		{ "strict = 1\n", ":1: strict = 1: ", "must be one of no, yes" },
		{ "strict =\n", ":1: strict = : ", "must be one of no, yes" },
		{ "timeout = 5\nlog = auto\ntimeout = 6\n", ":3: timeout = 6: ", "already set in line 1" },
		{ "strict = yes\nstrict = yes\n", ":2: strict = yes: ", "already set in line 1" },
		{ "program = x\nprogram = y\n", ":2: program = y: ", "already set in line 1" },
		{ "program =\n", ":1: program = : ", "must not be empty" },
		{ "program = # x\n", ":1: program = : ", "must not be empty" },
		{ "program = \"\" x\n", ":1: program = : ", "must not be empty" },
		{ "program = imap $HOME\n", ":1: program: ", "write \\$ for a $" },
		{ "program = imap \"x y\n", ":1: program: ", "a quote is not closed" },
		{ "config = x\n", ":1: config = x: ", "command line" },
		{ "help = yes\n", ":1: help = yes: ", "command line" },
		{ "version = yes\n", ":1: version = yes: ", "command line" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		program_in_file = strncmp(bad[i].text, "program", 7) == 0;
		assert_refused(&(struct given){ bad[i].text, { NULL } }, EX_CONFIG, bad[i].begin, bad[i].reason);
	}
	program_in_file = false;
}

static void
only_settings_stand_there(void **state)
{
	static const char *const bad[] = { "[imapgate]\n", "strict\n", "= x\n", ".include /dev/null\n", ".pragma = dollarid:on\n",
		"default::strict = yes\n", "x::.include /dev/null\n", "1.cert = x\n", "--strict = yes\n", "STRICT = yes\n",
		"\\\n.include /dev/null\n", "{}\n", "\xef\xbb\xbfstrict = yes\n", "log auto\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(&(struct given){ bad[i], { NULL } }, EX_CONFIG, ":1: ", "");
}

/* A value that had a "$" must not lose what follows it, nor take it from the environment, where a client may have a say. */
static void
there_are_no_variables(void **state)
{
	static const char *const bad[] = { "setenv = A=pa$word\n", "setenv = A=pa$$word\n", "setenv = A=b$\n",
		"setenv = A=$ENV::IMAPGATE_TEST\n", "setenv = A=${ENV::IMAPGATE_TEST}\n", "setenv = A=$(x)\n",
		"setenv = A=$value\n", "log = auto\n# next\nsetenv = A=$log\n" };
	size_t i;

	(void)state;
	assert_int_equal(setenv("IMAPGATE_TEST", "surprise", 1), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(&(struct given){ bad[i], { NULL } }, EX_CONFIG, i < 7 ? ":1: setenv: " : ":3: setenv: ", "\\$");
	assert_string_equal(getenv("IMAPGATE_TEST"), "surprise");
}

/* OpenSSL takes an open quote without a word, and the rest of the line with it. */
static void
quotes_are_closed(void **state)
{
	static const char *const bad[] = { "log = \"auto\n", "log = auto\"\n", "log = 'auto\n", "log = `auto\n", "log = \"auto'\n",
		"log = \"auto\\\"\n", "log = \"auto#\n", "setenv = A=it's\n", "log = \\\n\"auto\n" };
	static const char *const good[] = { "log = \"auto\"\n", "log = auto # it's\n", "setenv = \"A=it's\"\n", "setenv = A=it\\'s\n",
		"setenv = 'A=\"'\n", "log = \"au\"'to'\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(&(struct given){ bad[i], { NULL } }, EX_CONFIG, ":1: ", ": a quote is not closed\n");
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		PARSE(good[i], NULL);
}

static void
values_are_not_empty(void **state)
{
	static const char *const bad[] = { "cert", "key", "client-ca", "pam-service", "pam-confdir", "run-as", "home", "gate-user", "gate-root",
		"capability-after", "timeout", "proxy", "tls" };
	static const char *const empty[] = { "=", " = ", " = \"\"", " = # value" };
	char text[64], begin[48];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (j = 0; j < sizeof(empty) / sizeof(empty[0]); j++) {
			snprintf(text, sizeof(text), "\n%s%s\n", bad[i], empty[j]);
			snprintf(begin, sizeof(begin), ":2: %s = : ", bad[i]);
			assert_refused(&(struct given){ text, { NULL } }, EX_CONFIG, begin, ": must ");
		}
	PARSE("capability =\nsetenv = A=\n", NULL);
	assert_string_equal(options.capability, "");
}

/* A wrong line is wrong also where the command line has its say: it may be all that is read tomorrow. */
static void
unknown_options_are_never_passed_over(void **state)
{
	(void)state;
	assert_refused(&(struct given){ "timeot = 5\n", { "--timeout=5", NULL } }, EX_CONFIG, ":1: ", "unknown option");
}

static void
program_has_so_many_words(void **state)
{
	char text[32 + 2 * OPTIONS_PROGRAM_ARGS_MAX + 2] = "program =";
	size_t i;

	(void)state;
	for (i = 0; i < OPTIONS_PROGRAM_ARGS_MAX; i++)
		strcat(text, " x");
	parse_program(text);
	assert_string_equal(options.program[OPTIONS_PROGRAM_ARGS_MAX - 1], "x");
	assert_null(options.program[OPTIONS_PROGRAM_ARGS_MAX]);
	strcat(text, " y");
	program_in_file = true;
	assert_refused(&(struct given){ text, { NULL } }, EX_CONFIG, ":1: program = y: ", "more than 64 words");
	program_in_file = false;
}

static void
program_is_wanted(void **state)
{
	(void)state;
	program_in_file = true;
	child_run(&child, parse, &(struct given){ "strict = yes\n", { NULL } });
	program_in_file = false;
	assert_int_equal(child.status, EX_USAGE);
	assert_non_null(strstr(child.err, "no PROGRAM, and no \"program = ...\" in /tmp/"));
}

/* Root executes what stands there. */
static void
files_of_others_are_refused(void **state)
{
	static const mode_t modes[] = { 0664, 0646, 0666 };
	const struct given g = { "strict = yes\n", { NULL } };
	size_t i;

	(void)state;
	if (geteuid() != 0)
		skip();
	PARSE("strict = yes\n", NULL);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_refused(&g, EX_CONFIG, ": ", "users other than root can change it");
	}
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(chown(path, 1, -1), 0);
	assert_refused(&g, EX_CONFIG, ": ", "users other than root can change it");
	assert_int_equal(chown(path, 0, -1), 0);
	PARSE("strict = yes\n", NULL);
}

static void
files_that_can_not_be_read(void **state)
{
	(void)state;
	child_run(&child, parse, &(struct given){ "", { "--config=/nonexistent/file", NULL } });
	assert_int_equal(child.status, EX_NOINPUT);
	assert_string_equal(child.err, "imapgate: /nonexistent/file: No such file or directory\n");
	child_run(&child, parse, &(struct given){ "", { "--config=/tmp", NULL } });
	assert_int_equal(child.status, EX_NOINPUT);
	assert_string_equal(child.err, "imapgate: /tmp: Is a directory\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_may_stand_there),
		cmocka_unit_test(nothing_in_it_is_nothing_said),
		cmocka_unit_test(flags_are_yes_or_no),
		cmocka_unit_test(values_are_written_as_for_openssl),
		cmocka_unit_test(long_lines_are_whole),
		cmocka_unit_test(repeated_lines_are_repeated_options),
		cmocka_unit_test(command_line_wins),
		cmocka_unit_test(command_line_replaces_a_whole_list),
		cmocka_unit_test(command_line_replaces_keys_with_their_certificates),
		cmocka_unit_test(hidden_lines_are_known),
		cmocka_unit_test(program_is_words),
		cmocka_unit_test(program_has_so_many_words),
		cmocka_unit_test(program_is_wanted),
		cmocka_unit_test(files_of_others_are_refused),
		cmocka_unit_test(last_file_is_read),
		cmocka_unit_test(file_line_and_option_are_named),
		cmocka_unit_test(only_settings_stand_there),
		cmocka_unit_test(there_are_no_variables),
		cmocka_unit_test(quotes_are_closed),
		cmocka_unit_test(values_are_not_empty),
		cmocka_unit_test(unknown_options_are_never_passed_over),
		cmocka_unit_test(files_that_can_not_be_read),
	};

	return cmocka_run_group_tests_name("config", tests, make_file, remove_file);
}
