/*
 * The command line: every option finds its place, and what can't be
 * understood is one line on standard error and exit status 64.
 */

#include "child.h"

#include <getopt.h>
#include <sysexits.h>

#include "config/options.h"

#define ARGS_MAX	160

/* A command line: words, ending in NULL. */
struct line {
	char	*argv[ARGS_MAX];
	int	 argc;
};

static struct options options;
static struct child child;

static struct line
line_of(const char *const words[])
{
	struct line l = { { (char *)"imapgate" }, 1 };

	while (*words != NULL)
		l.argv[l.argc++] = (char *)*words++;
	return l;
}

/* As main does it, but more than once: glibc's getopt_long(3) begins anew when optind is 0. */
static void
parse(struct line *l)
{
	memset(&options, 0xff, sizeof(options));
	optind = 0;
	options_parse(&options, l->argc, l->argv);
}

#define PARSE(...)	do {							\
	static struct line line_;						\
	line_ = line_of((const char *const[]){ __VA_ARGS__, NULL });			\
	parse(&line_);								\
} while (0)

static void
parse_in_child(void *arg)
{
	parse(arg);
}

/* --- good lines ---------------------------------------------------------- */

static void
defaults_are_those_of_the_manual(void **state)
{
	struct options *o = &options;

	(void)state;
	PARSE("--", "/bin/prog");
	assert_false(o->tls_on_connect);
	assert_int_equal(o->n_cert, 0);
	assert_int_equal(o->n_tls, 0);
	assert_null(o->client_ca);
	assert_null(o->client_crl);
	assert_int_equal(o->cert_user, CERT_USER_EMAIL);
	assert_int_equal(o->preauth, PREAUTH_NONE);
	assert_int_equal(o->allow_cleartext, CLEARTEXT_NONE);
	assert_int_equal(o->max_attempts, 3);
	assert_int_equal(o->timeout_ms, 60000);
	assert_int_equal(o->failure_delay_ms, 2000);
	assert_int_equal(o->max_connections, 1000);
	assert_int_equal(o->max_connections_per_address, 20);
	assert_int_equal(o->max_sessions, 10000);
	assert_int_equal(o->max_sessions_per_address, 1000);
	assert_int_equal(o->max_sessions_per_user, 100);
	assert_int_equal(o->n_unlimited, 0);
	assert_string_equal(o->gate_user, "_imapgate");
	assert_string_equal(o->gate_root, "/run/imapgate");
	assert_int_equal(o->min_uid, 1000);
	assert_int_equal(o->handoff, GREETING_STYLE_TAG);
	assert_string_equal(o->capability, "LITERAL+");
	assert_null(o->capability_after);
	assert_int_equal(o->n_setenv, 0);
	assert_string_equal(o->pam_service, "imapgate");
	assert_null(o->oauth_service);
	assert_null(o->pam_confdir);
	assert_int_equal(o->pam_session, PAM_SESSION_OPEN);
	assert_null(o->run_as);
	assert_null(o->home);
	assert_int_equal(o->log, LOG_TO_AUTO);
	assert_false(o->strict);
	assert_string_equal(o->program[0], "/bin/prog");
	assert_null(o->program[1]);
}

static void
every_option_finds_its_place(void **state)
{
	struct options *o = &options;

	(void)state;
	PARSE("--tls-on-connect", "--cert", "/c.pem", "--key", "/k.pem", "--tls", "MinProtocol=TLSv1.3",
	    "--allow-cleartext", "loopback", "--max-attempts", "5", "--timeout", "120", "--failure-delay", "0.5",
	    "--gate-user", "gate", "--gate-root", "/var/empty", "--min-uid", "500", "--handoff", "greeting",
	    "--capability", "LITERAL- XLIST", "--capability-after", "IMAP4rev1 IDLE", "--setenv",
	    "MAIL=maildir:%h/Maildir", "--pam-service", "mail", "--pam-confdir", "/etc/x", "--pam-session", "none",
	    "--run-as", "vmail", "--home", "/var/mail/%d/%n", "--log", "stderr", "--strict", "--", "/bin/prog",
	    "--cert", "x");
	assert_true(o->tls_on_connect);
	assert_int_equal(o->n_cert, 1);
	assert_string_equal(o->cert[0], "/c.pem");
	assert_string_equal(o->key[0], "/k.pem");
	assert_int_equal(o->n_tls, 1);
	assert_string_equal(o->tls[0], "MinProtocol=TLSv1.3");
	assert_int_equal(o->allow_cleartext, CLEARTEXT_LOOPBACK);
	assert_int_equal(o->max_attempts, 5);
	assert_int_equal(o->timeout_ms, 120000);
	assert_int_equal(o->failure_delay_ms, 500);
	assert_string_equal(o->gate_user, "gate");
	assert_string_equal(o->gate_root, "/var/empty");
	assert_int_equal(o->min_uid, 500);
	assert_int_equal(o->handoff, GREETING_STYLE_GREETING);
	assert_string_equal(o->capability, "LITERAL- XLIST");
	assert_string_equal(o->capability_after, "IMAP4rev1 IDLE");
	assert_int_equal(o->n_setenv, 1);
	assert_string_equal(o->setenv[0], "MAIL=maildir:%h/Maildir");
	assert_string_equal(o->pam_service, "mail");
	assert_string_equal(o->pam_confdir, "/etc/x");
	assert_int_equal(o->pam_session, PAM_SESSION_NONE);
	assert_string_equal(o->run_as, "vmail");
	assert_string_equal(o->home, "/var/mail/%d/%n");
	assert_int_equal(o->log, LOG_TO_STDERR);
	assert_true(o->strict);
	assert_string_equal(o->program[0], "/bin/prog");
	assert_string_equal(o->program[1], "--cert");
	assert_string_equal(o->program[2], "x");
	assert_null(o->program[3]);
}

static void
options_of_certificates_and_tokens(void **state)
{
	struct options *o = &options;

	(void)state;
	PARSE("--cert", "/c.pem", "--tls-on-connect", "--client-ca", "/ca.pem", "--client-crl", "/crl.pem",
	    "--cert-user", "upn", "--preauth", "cert", "--oauth-service", "imapgate-oauth", "p");
	assert_string_equal(o->client_ca, "/ca.pem");
	assert_string_equal(o->client_crl, "/crl.pem");
	assert_int_equal(o->cert_user, CERT_USER_UPN);
	assert_int_equal(o->preauth, PREAUTH_CERT);
	assert_string_equal(o->oauth_service, "imapgate-oauth");
	PARSE("--cert-user=cn", "--preauth=peer", "p");
	assert_int_equal(o->cert_user, CERT_USER_CN);
	assert_int_equal(o->preauth, PREAUTH_PEER);
	PARSE("--cert-user=email", "--preauth=none", "p");
	assert_int_equal(o->cert_user, CERT_USER_EMAIL);
	assert_int_equal(o->preauth, PREAUTH_NONE);
}

static void
proxies_are_networks_or_the_machine_itself(void **state)
{
	static const uint8_t address[] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 0 };

	(void)state;
	PARSE("p");
	assert_int_equal(options.n_proxy, 0);
	assert_false(options.proxy_unix);
	PARSE("--proxy=192.0.2.0/24", "--proxy", "2001:db8::1", "--proxy=unix", "p");
	assert_int_equal(options.n_proxy, 2);
	assert_memory_equal(options.proxy[0].address, address, sizeof(address));
	assert_int_equal(options.proxy[0].bits, 120);
	assert_int_equal(options.proxy[1].bits, 128);
	assert_true(options.proxy_unix);
}

static void
words_of_options_that_choose(void **state)
{
	(void)state;
	PARSE("--allow-cleartext=none", "--handoff=tag", "--pam-session=open", "--log=auto", "p");
	assert_int_equal(options.allow_cleartext, CLEARTEXT_NONE);
	assert_int_equal(options.handoff, GREETING_STYLE_TAG);
	assert_int_equal(options.pam_session, PAM_SESSION_OPEN);
	assert_int_equal(options.log, LOG_TO_AUTO);
	PARSE("--pam-session", "wait", "p");
	assert_int_equal(options.pam_session, PAM_SESSION_WAIT);
	PARSE("--allow-cleartext=all", "--log=journal", "p");
	assert_int_equal(options.allow_cleartext, CLEARTEXT_ALL);
	assert_int_equal(options.log, LOG_TO_JOURNAL);
	PARSE("--max-connections=1", "--max-connections-per-address", "2", "--max-sessions", "30000", "--max-sessions-per-address=4",
	    "--max-sessions-per-user=5", "p");
	assert_int_equal(options.max_connections, 1);
	assert_int_equal(options.max_connections_per_address, 2);
	assert_int_equal(options.max_sessions, OPTIONS_LIMIT_MAX);
	assert_int_equal(options.max_sessions_per_address, 4);
	assert_int_equal(options.max_sessions_per_user, 5);
	PARSE("--unlimited", "192.0.2.0/24", "p");
	assert_int_equal(options.n_unlimited, 1);
	assert_int_equal(options.unlimited[0].bits, 96 + 24);
	PARSE("--log=syslog", "p");
	assert_int_equal(options.log, LOG_TO_SYSLOG);
}

static void
numbers_at_their_bounds(void **state)
{
	(void)state;
	PARSE("--max-attempts=1", "--timeout=1", "--failure-delay=0", "--min-uid=1", "p");
	assert_int_equal(options.max_attempts, 1);
	assert_int_equal(options.timeout_ms, 1000);
	assert_int_equal(options.failure_delay_ms, 0);
	assert_int_equal(options.min_uid, 1);
	PARSE("--max-attempts=20", "--timeout=1800", "--failure-delay=10.25", "--min-uid=65534", "p");
	assert_int_equal(options.max_attempts, 20);
	assert_int_equal(options.timeout_ms, 1800000);
	assert_int_equal(options.failure_delay_ms, 10250);
	assert_int_equal(options.min_uid, 65534);
	PARSE("--failure-delay=.5", "--min-uid=4294967294", "--timeout=90", "p");
	assert_int_equal(options.timeout_ms, 90000);
	assert_int_equal(options.failure_delay_ms, 500);
	assert_int_equal(options.min_uid, 4294967294u);
}

static void
keys_belong_to_certificates_by_position(void **state)
{
	(void)state;
	PARSE("--cert=a", "--cert=b", "--key=ka", "--cert=c", "--key=kb", "p");
	assert_int_equal(options.n_cert, 3);
	assert_string_equal(options.cert[0], "a");
	assert_string_equal(options.key[0], "ka");
	assert_string_equal(options.cert[1], "b");
	assert_string_equal(options.key[1], "kb");
	assert_string_equal(options.cert[2], "c");
	assert_string_equal(options.key[2], "c");
}

static void
program_and_its_arguments_are_left_alone(void **state)
{
	(void)state;
	PARSE("--strict", "prog", "--timeout", "x", "--", "--help", "-z");
	assert_string_equal(options.program[0], "prog");
	assert_string_equal(options.program[1], "--timeout");
	assert_string_equal(options.program[3], "--");
	assert_string_equal(options.program[4], "--help");
	assert_string_equal(options.program[5], "-z");
	assert_null(options.program[6]);
	PARSE("--", "--help");
	assert_string_equal(options.program[0], "--help");
	assert_int_equal(options.timeout_ms, 60000);
}

/* Fills a line with n times the same option. */
static struct line
repeated(const char *option, size_t n)
{
	struct line l = line_of((const char *const[]){ NULL });

	while (n-- > 0)
		l.argv[l.argc++] = (char *)option;
	l.argv[l.argc++] = (char *)"p";
	return l;
}

static const struct {
	const char	*option;
	size_t		 max;
} lists[] = {
	{ "--cert=c", OPTIONS_CERTS_MAX }, { "--tls=Options=ServerPreference", OPTIONS_TLS_MAX }, { "--setenv=A=b=c", OPTIONS_SETENV_MAX },
};

static void
lists_take_as_many_as_they_have_room_for(void **state)
{
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		l = repeated(lists[i].option, lists[i].max);
		parse(&l);
	}
	assert_int_equal(options.n_setenv, OPTIONS_SETENV_MAX);
	assert_string_equal(options.setenv[0], "A=b=c");
	assert_string_equal(options.setenv[OPTIONS_SETENV_MAX - 1], "A=b=c");
}

/* Of an option whose last value counts, other processes get only that one; earlier ones take no room. */
static void
last_value_is_written(void **state)
{
	char text[8192] = "";
	struct line l = repeated("--max-attempts=5", ARGS_MAX - 2);
	int ends[2], i;
	ssize_t n;

	(void)state;
	for (i = 0; i < 3; i++)
		parse(&l);
	PARSE("--max-attempts=6", "--max-attempts=7", "p");
	assert_int_equal(pipe(ends), 0);
	assert_true(options_write(ROLE_MONITOR_ZYGOTE, ends[1]));
	n = read(ends[0], text, sizeof(text));
	assert_true(n > 0 && (size_t)n < sizeof(text));
	assert_non_null(memmem(text, (size_t)n, "--max-attempts=7", sizeof("--max-attempts=7")));
	assert_null(memmem(text, (size_t)n, "--max-attempts=6", sizeof("--max-attempts=6")));
	assert_null(memmem(text, (size_t)n, "--max-attempts=5", sizeof("--max-attempts=5")));
	close(ends[0]);
	close(ends[1]);
}

/* --- lines that can't be understood -------------------------------------- */

static void
assert_usage_error(struct line *l)
{
	child_run(&child, parse_in_child, l);
	if (child.status != EX_USAGE)
		fail_msg("%s ...: status %d, not %d\n%s", l->argv[1], child.status, EX_USAGE, child.err);
	if (child.len < 2 || strchr(child.err, '\n') != child.err + child.len - 1)
		fail_msg("%s ...: not one line:\n%s", l->argv[1], child.err);
	assert_memory_equal(child.err, "imapgate: ", 10);
	assert_string_equal(child.out, "");
}

static void
more_than_there_is_room_for_is_refused(void **state)
{
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		l = repeated(lists[i].option, lists[i].max + 1);
		assert_usage_error(&l);
	}
	l = repeated("--key=k", OPTIONS_CERTS_MAX + 1);
	assert_usage_error(&l);
}

/* One option each, followed by a program. */
static void
assert_bad_options(const char *const bad[])
{
	struct line l;

	for (; *bad != NULL; bad++) {
		l = line_of((const char *const[]){ *bad, "--", "p", NULL });
		assert_usage_error(&l);
	}
}

static void
unknown_options_are_refused(void **state)
{
	static const char *const bad[] = { "--xyzzy", "--xyzzy=1", "-x", "-xyz", "-h", "-v", "--tls_on_connect",
		"--TIMEOUT=1", "--time=1", "--capability-a=X", "--tls-on", "--hel", "--stric" };
	struct line l;
	char word[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		l = line_of((const char *const[]){ bad[i], "--", "p", NULL });
		assert_usage_error(&l);
		snprintf(word, sizeof(word), " %.*s", (int)(bad[i][1] == '-' ? strcspn(bad[i], "=") : 2), bad[i]);
		if (strstr(child.err, word) == NULL)
			fail_msg("%s: the message names another word: %s", bad[i], child.err);
	}
}

/* The word that was typed is named as a whole, and what was meant by it. */
static void
mistyped_options_are_told(void **state)
{
	static const struct {
		const char	*word, *told;
	} bad[] = {
		{ "-user", "-user: unknown option; an option begins with two dashes: --user" },
		{ "-tls-on-connect", ": --tls-on-connect;" },
		{ "--tls-on-connect=yes", "--tls-on-connect=yes: --tls-on-connect takes no value" },
		{ "--check=", "--check takes no value" },
		{ "--program=imap", "PROGRAM comes after \"--\"" },
		{ "--program", "PROGRAM comes after \"--\"" },
		{ "-usr", ": -usr: unknown option; see" },
		{ "--checks=1", ": --checks=1: unknown option; see" },
	};
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		l = line_of((const char *const[]){ bad[i].word, "--", "p", NULL });
		assert_usage_error(&l);
		if (strstr(child.err, bad[i].told) == NULL)
			fail_msg("%s: %s", bad[i].word, child.err);
	}
}

static void
bad_numbers_are_refused(void **state)
{
	static const char *const bad[] = {
		"--max-attempts=0",
		"--max-attempts=-1",
		"--max-attempts=",
		"--max-attempts=x",
		"--max-attempts=3x",
		"--max-attempts= 3",
		"--max-attempts=+3",
		"--max-attempts=3 ",
		"--max-attempts=0x3",
		"--max-attempts=1.5",
		"--max-attempts=4294967297",
		"--max-attempts=18446744073709551617",
		"--max-attempts=99999999999999999999999",
		"--max-connections=0",
		"--max-connections=30001",
		"--max-connections-per-address=0",
		"--max-sessions=-1",
		"--max-sessions-per-address=30001",
		"--unlimited=",
		"--unlimited=localhost",
		"--unlimited=127.0.0.0/33",
		"--unlimited=127.0.0/8",
		"--timeout=0",
		"--timeout=-1",
		"--timeout=",
		"--timeout=1s",
		"--timeout=4294967296",
		"--timeout=4294968",
		"--timeout=18446744073709551615",
		"--timeout=1e3",
		"--failure-delay=",
		"--failure-delay=-1",
		"--failure-delay=-0.001",
		"--failure-delay=x",
		"--failure-delay=1s",
		"--failure-delay=nan",
		"--failure-delay=inf",
		"--failure-delay=-inf",
		"--failure-delay=1e30",
		"--failure-delay=4294968",
		"--failure-delay=1,5",
		"--failure-delay=1 ",
		"--min-uid=-1",
		"--min-uid=",
		"--min-uid=joe",
		"--min-uid=4294967295",
		"--min-uid=4294967296",
		"--min-uid=4294968296",
		"--min-uid=1.5",
		NULL,
	};

	(void)state;
	assert_bad_options(bad);
}

static void
bad_words_are_refused(void **state)
{
	static const char *const bad[] = {
		"--allow-cleartext=",
		"--allow-cleartext=yes",
		"--allow-cleartext=ALL",
		"--allow-cleartext=loop",
		"--handoff=",
		"--handoff=both",
		"--handoff=tagg",
		"--log=",
		"--log=file",
		"--log=stdout",
		"--pam-session=",
		"--pam-session=close",
		"--pam-session=1",
		"--cert-user=",
		"--cert-user=dn",
		"--preauth=",
		"--preauth=yes",
		"--strict=yes",
		"--tls-on-connect=1",
		"--setenv=",
		"--setenv=A",
		"--setenv==b",
		"--tls=",
		"--tls=MinProtocol",
		"--tls==x",
		"--proxy=",
		"--proxy=localhost",
		"--proxy=192.0.2.0/33",
		"--proxy=UNIX",
		NULL,
	};

	(void)state;
	assert_bad_options(bad);
}

static void
what_belongs_together_is_wanted_together(void **state)
{
	static const char *const bad[] = { "--key=k", "--home=/x", "--tls-on-connect", "--client-ca=/x",
		"--client-crl=/x", "--preauth=cert", NULL };

	static const char *const no_ca[] = { "--cert=c", "--tls-on-connect", "--preauth=cert", "p", NULL };
	static const char *const keys[] = { "--cert=c", "--key=k", "--key=l", "p", NULL };
	struct line l;

	(void)state;
	assert_bad_options(bad);
	l = line_of(no_ca);
	assert_usage_error(&l);
	l = line_of(keys);
	assert_usage_error(&l);
}

static void
option_at_the_end_wants_its_value(void **state)
{
	static const char *const bad[] = { "--cert", "--key", "--tls", "--allow-cleartext", "--max-attempts",
		"--max-connections", "--max-connections-per-address", "--max-sessions", "--max-sessions-per-address", "--max-sessions-per-user", "--unlimited",
		"--timeout", "--failure-delay", "--gate-user", "--gate-root", "--min-uid", "--handoff", "--capability",
		"--capability-after", "--setenv", "--pam-service", "--pam-confdir", "--pam-session", "--run-as",
		"--client-ca", "--client-crl", "--cert-user", "--preauth", "--oauth-service", "--home", "--log", "--ktls", "--config" };
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		l = line_of((const char *const[]){ bad[i], NULL });
		assert_usage_error(&l);
		assert_non_null(strstr(child.err, bad[i]));
	}
}

static void
program_is_wanted(void **state)
{
	struct line l;

	(void)state;
	l = line_of((const char *const[]){ NULL });
	assert_usage_error(&l);
	l = line_of((const char *const[]){ "--", NULL });
	assert_usage_error(&l);
	l = line_of((const char *const[]){ "--strict", NULL });
	assert_usage_error(&l);
	l = line_of((const char *const[]){ "--timeout", "5", "--", NULL });
	assert_usage_error(&l);
}

/* --- help ---------------------------------------------------------------- */

static void
help_tells_of_every_option(void **state)
{
	static const char *const names[] = { "--tls-on-connect", "--cert", "--key", "--tls", "--allow-cleartext",
		"--max-attempts", "--timeout", "--failure-delay", "--gate-user", "--gate-root", "--min-uid",
		"--handoff", "--capability", "--capability-after", "--setenv", "--pam-service", "--pam-confdir",
		"--pam-session", "--run-as", "--home", "--log", "--strict", "--proxy", "--help", "--version", "--client-ca",
		"--client-crl", "--cert-user", "--preauth", "--oauth-service", "--max-connections",
		"--max-connections-per-address", "--max-sessions", "--max-sessions-per-address", "--max-sessions-per-user", "--unlimited", "--ktls",
		"--config" };
	struct line l = line_of((const char *const[]){ "--help", NULL });
	char *line;
	size_t i;

	(void)state;
	child_run(&child, parse_in_child, &l);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.err, "");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(child.out, names[i]) == NULL)
			fail_msg("--help does not tell of %s", names[i]);
	for (line = strtok(child.out, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
}

static void
version_is_one_line(void **state)
{
	struct line l = line_of((const char *const[]){ "--version", NULL });

	(void)state;
	child_run(&child, parse_in_child, &l);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.err, "");
	assert_memory_equal(child.out, "imapgate ", 9);
	assert_ptr_equal(strchr(child.out, '\n'), child.out + strlen(child.out) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(every_option_finds_its_place),
		cmocka_unit_test(options_of_certificates_and_tokens),
		cmocka_unit_test(proxies_are_networks_or_the_machine_itself),
		cmocka_unit_test(words_of_options_that_choose),
		cmocka_unit_test(numbers_at_their_bounds),
		cmocka_unit_test(keys_belong_to_certificates_by_position),
		cmocka_unit_test(program_and_its_arguments_are_left_alone),
		cmocka_unit_test(lists_take_as_many_as_they_have_room_for),
		cmocka_unit_test(last_value_is_written),
		cmocka_unit_test(more_than_there_is_room_for_is_refused),
		cmocka_unit_test(unknown_options_are_refused),
		cmocka_unit_test(mistyped_options_are_told),
		cmocka_unit_test(bad_numbers_are_refused),
		cmocka_unit_test(bad_words_are_refused),
		cmocka_unit_test(what_belongs_together_is_wanted_together),
		cmocka_unit_test(option_at_the_end_wants_its_value),
		cmocka_unit_test(program_is_wanted),
		cmocka_unit_test(help_tells_of_every_option),
		cmocka_unit_test(version_is_one_line),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
