/*
 * The command line, see options.h. Run once, by main, before anything else.
 * One table says what there is: name, form, and where the value goes.
 */

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define VERSION	"0.1"

enum form {
	FORM_HELP,
	FORM_VERSION,
	FORM_FLAG,		/* bool */
	FORM_TEXT,		/* const char * */
	FORM_COUNT,		/* unsigned, from 1 */
	FORM_LIMIT,		/* unsigned, from 1 */
	FORM_SECONDS,		/* unsigned, milliseconds, from 1 s */
	FORM_DELAY,		/* the same, but may be a fraction or nothing */
	FORM_UID,		/* uid_t */
	FORM_WORD,		/* an enum, by its words */
	FORM_PAM_SESSION,	/* bool, by its words */
	FORM_CERT,
	FORM_KEY,
	FORM_TLS,
	FORM_SETENV,
	FORM_PROXY,
};

#define AT(member)	offsetof(struct options, member)

static const char *const cleartext_words[] = { "none", "loopback", "all", NULL };
static const char *const preauth_words[] = { "none", "peer", "cert", NULL };
static const char *const cert_user_words[] = { "email", "upn", "cn", NULL };
static const char *const ktls_words[] = { "auto", "off", "require", NULL };
static const char *const handoff_words[] = { "tag", "greeting", NULL };
static const char *const log_words[] = { "auto", "journal", "syslog", "stderr", NULL };
static const char *const session_words[] = { "none", "open", NULL };

static const struct row {
	const char		*name;
	enum form		 form;
	size_t			 at;
	const char *const	*words;
	const char		*help;
} rows[] = {
	{ "tls-on-connect",	FORM_FLAG,	AT(tls_on_connect), NULL, "             TLS at once, as on port 993" },
	{ "cert",		FORM_CERT,	0, NULL, "FILE                  certificate chain, PEM (repeatable)" },
	{ "key",		FORM_KEY,	0, NULL, "FILE                   its private key, if not in the same file" },
	{ "tls",		FORM_TLS,	0, NULL, "NAME=VALUE             a setting of SSL_CONF_cmd(3) (repeatable)" },
	{ "ktls",		FORM_WORD,	AT(ktls), ktls_words, "auto|off|require      TLS in the kernel after the login (auto)" },
	{ "client-ca",		FORM_TEXT,	AT(client_ca), NULL, "FILE             whose certificates let clients in (EXTERNAL)" },
	{ "client-crl",		FORM_TEXT,	AT(client_crl), NULL, "FILE            its revocation list" },
	{ "cert-user",		FORM_WORD,	AT(cert_user), cert_user_words, "email|upn|cn     where a certificate has the user's name (email)" },
	{ "preauth",		FORM_WORD,	AT(preauth), preauth_words, "none|peer|cert     who is logged in without a word (none)" },
	{ "allow-cleartext",	FORM_WORD,	AT(allow_cleartext), cleartext_words, "none|loopback|all   passwords without TLS (none)" },
	{ "proxy",		FORM_PROXY,	0, NULL, "ADDRESS[/BITS]|unix   who sends a PROXY header (repeatable)" },
	{ "max-attempts",	FORM_COUNT,	AT(max_attempts), NULL, "N             failed logins until BYE (3)" },
	{ "timeout",		FORM_SECONDS,	AT(timeout_ms), NULL, "SECONDS            from connecting to being logged in (60)" },
	{ "failure-delay",	FORM_DELAY,	AT(failure_delay_ms), NULL, "SECONDS      least time of the first failure (2)" },
	{ "max-connections",	FORM_LIMIT,	AT(max_connections), NULL, "N          listener: clients that are not logged in (1000)" },
	{ "max-connections-per-address", FORM_LIMIT, AT(max_connections_per_address), NULL, "N   of them from one address (20)" },
	{ "max-sessions",	FORM_LIMIT,	AT(max_sessions), NULL, "N             listener: clients that are (10000)" },
	{ "max-sessions-per-address", FORM_LIMIT, AT(max_sessions_per_address), NULL, "N      of them from one address (1000)" },
	{ "gate-user",		FORM_TEXT,	AT(gate_user), NULL, "NAME             who talks to the network (_imapgate)" },
	{ "gate-root",		FORM_TEXT,	AT(gate_root), NULL, "DIR              its empty root (/run/imapgate)" },
	{ "min-uid",		FORM_UID,	AT(min_uid), NULL, "UID                nobody below may log in (1000)" },
	{ "handoff",		FORM_WORD,	AT(handoff), handoff_words, "tag|greeting       who writes the tagged OK (tag: the program)" },
	{ "capability",		FORM_TEXT,	AT(capability), NULL, "LIST            advertised before the login (LITERAL+)" },
	{ "capability-after",	FORM_TEXT,	AT(capability_after), NULL, "LIST      advertised after it" },
	{ "setenv",		FORM_SETENV,	0, NULL, "NAME=VALUE          for the program, with %u %n %d %h (repeatable)" },
	{ "pam-service",	FORM_TEXT,	AT(pam_service), NULL, "NAME           (imapgate)" },
	{ "oauth-service",	FORM_TEXT,	AT(oauth_service), NULL, "NAME         PAM service for OAuth tokens (off)" },
	{ "pam-confdir",	FORM_TEXT,	AT(pam_confdir), NULL, "DIR            PAM service files that are not the system's" },
	{ "pam-session",	FORM_PAM_SESSION, AT(pam_session), session_words, "open|none      (open)" },
	{ "run-as",		FORM_TEXT,	AT(run_as), NULL, "USER                whose uid and groups all who log in have" },
	{ "home",		FORM_TEXT,	AT(home), NULL, "TEMPLATE              their home, with %u %n %d" },
	{ "log",		FORM_WORD,	AT(log), log_words, "auto|journal|syslog|stderr   (auto)" },
	{ "strict",		FORM_FLAG,	AT(strict), NULL, "                     refuse what real clients do against the RFCs" },
	{ "help",		FORM_HELP,	0, NULL, "" },
	{ "version",		FORM_VERSION,	0, NULL, "" },
};
#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static void __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *fmt, ...)
{
	va_list ap;

	fputs("imapgate: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see imapgate --help\n", stderr);
	exit(EX_USAGE);
}

static void __attribute__((noreturn))
help(void)
{
	size_t i;

	puts("usage: imapgate [options] -- PROGRAM [ARGUMENT ...]\n"
	    "Logs an IMAP client in on descriptors 0 and 1, then becomes the user and\n"
	    "runs PROGRAM there. Started by inetd, tcpserver or a systemd socket.\n");
	for (i = 0; i < ROWS; i++)
		printf("  --%s %s\n", rows[i].name, rows[i].help);
	puts("\nIn ARGUMENT, --setenv and --home: %u user, %n before its @, %d behind it, %h home.\n"
	    "The manual is imapgate(8).");
	exit(0);
}

/* A whole number in its bounds, in decimal digits and nothing else. */
static unsigned long
number(const struct row *row, const char *value, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		usage("--%s %s: a number from %lu to %lu is wanted", row->name, value, min, max);
	return n;
}

static unsigned
delay(const struct row *row, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (value[0] == '\0' || value[strspn(value, "0123456789.")] != '\0' || *end != '\0' || !(seconds >= 0 && seconds <= 60))
		usage("--%s %s: seconds from 0 to 60 are wanted", row->name, value);
	return (unsigned)(seconds * 1000);
}

static unsigned
word(const struct row *row, const char *value)
{
	unsigned i;

	for (i = 0; row->words[i] != NULL; i++)
		if (strcmp(row->words[i], value) == 0)
			return i;
	usage("--%s %s: unknown word", row->name, value);
}

static void
add_pair(const struct row *row, char *list[], size_t *n, size_t max, char *value)
{
	if (strchr(value, '=') == NULL || value[0] == '=')
		usage("--%s %s: NAME=VALUE is wanted", row->name, value);
	if (*n == max)
		usage("--%s: more than %zu of them", row->name, max);
	list[(*n)++] = value;
}

static void
add_file(const struct row *row, const char *list[], size_t *n, const char *value)
{
	if (*n == OPTIONS_CERTS)
		usage("--%s: more than %d of them", row->name, OPTIONS_CERTS);
	list[(*n)++] = value;
}

static void
add_proxy(const struct row *row, struct options *o, const char *value)
{
	if (strcmp(value, "unix") == 0) {
		o->proxy_unix = true;
		return;
	}
	if (o->proxies == OPTIONS_PROXIES)
		usage("--%s: more than %d of them", row->name, OPTIONS_PROXIES);
	if (!network_parse(&o->proxy[o->proxies++], value))
		usage("--%s %s: a numeric ADDRESS, ADDRESS/BITS or unix is wanted", row->name, value);
}

static void
set(struct options *o, const struct row *row, char *value, size_t *keys)
{
	void *at = (char *)o + row->at;

	switch (row->form) {
	case FORM_HELP:
		help();
	case FORM_VERSION:
		puts("imapgate " VERSION);
		exit(0);
	case FORM_FLAG:
		*(bool *)at = true;
		break;
	case FORM_TEXT:
		*(const char **)at = value;
		break;
	case FORM_COUNT:
		*(unsigned *)at = (unsigned)number(row, value, 1, 100);
		break;
	case FORM_LIMIT:
		*(unsigned *)at = (unsigned)number(row, value, 1, OPTIONS_LIMIT_MAX);
		break;
	case FORM_SECONDS:
		*(unsigned *)at = (unsigned)number(row, value, 1, 86400) * 1000;
		break;
	case FORM_DELAY:
		*(unsigned *)at = delay(row, value);
		break;
	case FORM_UID:
		*(uid_t *)at = (uid_t)number(row, value, 1, UINT32_MAX - 1);
		break;
	case FORM_WORD:
		*(unsigned *)at = word(row, value);
		break;
	case FORM_PAM_SESSION:
		*(bool *)at = word(row, value) == 1;
		break;
	case FORM_CERT:
		add_file(row, o->cert, &o->certs, value);
		break;
	case FORM_KEY:
		add_file(row, o->key, keys, value);
		break;
	case FORM_TLS:
		add_pair(row, o->tls, &o->tlss, OPTIONS_TLS, value);
		break;
	case FORM_SETENV:
		add_pair(row, o->setenv, &o->setenvs, OPTIONS_SETENV, value);
		break;
	case FORM_PROXY:
		add_proxy(row, o, value);
		break;
	}
}

/* What only shows when everything is read. */
static void
complete(struct options *o, size_t keys)
{
	if (keys > o->certs)
		usage("--key without a --cert");
	for (; keys < o->certs; keys++)
		o->key[keys] = o->cert[keys];
	if (o->tls_on_connect && o->certs == 0)
		usage("--tls-on-connect needs a --cert");
	if (o->client_ca != NULL && o->certs == 0)
		usage("--client-ca needs a --cert");
	if (o->client_crl != NULL && o->client_ca == NULL)
		usage("--client-crl needs a --client-ca");
	/* RFC 9051, 7.1.4: PREAUTH is the greeting, so the certificate must be known before it. */
	if (o->preauth == PREAUTH_CERT && (o->client_ca == NULL || !o->tls_on_connect))
		usage("--preauth cert needs --client-ca and --tls-on-connect");
	if (o->home != NULL && o->run_as == NULL)
		usage("--home needs --run-as");
	if (o->program[0] == NULL)
		usage("no PROGRAM");
}

void
options_parse(struct options *o, int argc, char *argv[])
{
	struct option longs[ROWS + 1];
	size_t i, keys = 0;
	int ch, index;

	*o = (struct options){
		.max_attempts = 3,
		.timeout_ms = 60 * 1000,
		.failure_delay_ms = 2 * 1000,
		.max_connections = 1000,
		.max_connections_per_address = 20,
		.max_sessions = 10000,
		.max_sessions_per_address = 1000,
		.gate_user = "_imapgate",
		.gate_root = "/run/imapgate",
		.min_uid = 1000,
		.capability = "LITERAL+",
		.pam_service = "imapgate",
		.pam_session = true,
	};
	memset(longs, 0, sizeof(longs));
	for (i = 0; i < ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = rows[i].form > FORM_FLAG ? required_argument : no_argument;
	}

	opterr = 0;
	while ((ch = getopt_long(argc, argv, "+:", longs, &index)) != -1) {
		if (ch == ':')
			usage("%s wants a value", argv[optind - 1]);
		if (ch != 0 && optopt != 0)
			usage("-%c: unknown option", optopt);
		if (ch != 0)
			usage("%s: unknown option", argv[optind - 1]);
		set(o, &rows[index], optarg, &keys);
	}
	o->program = argv + optind;
	complete(o, keys);
}
