/*
 * Command line and file of options, see options.h. Run at the start of each process that is
 * executed, usually as root; its input is the administrator's. The table rows lists all options:
 * name, parser, and place of the value.
 */

#include "config/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/config.h"
#include "config/setting.h"

#define VERSION	"0.1"

/* Name of the setting for PROGRAM and its arguments in a file. */
#define PROGRAM_LINE	"program"

/* Parts of --help. */
enum group {
	TLS,
	AUTH,
	PAM,
	USER,
	LISTENER,
	HOST,
};

static const char *const headings[] = {
	[TLS] = "TLS",
	[AUTH] = "Login",
	[PAM] = "PAM",
	[USER] = "The user and the mailbox program",
	[LISTENER] = "As a listener",
	[HOST] = "This host",
};

enum times {
	ONCE,			/* on the command line the last one counts */
	REPEATABLE,
	NOT_IN_FILE,
};

#define AT(member)	offsetof(struct options, member)

static const char *const cleartext_choices[] = { "none", "loopback", "all", NULL };
static const char *const preauth_choices[] = { "none", "peer", "cert", NULL };
static const char *const cert_user_choices[] = { "email", "upn", "cn", NULL };
static const char *const ktls_choices[] = { "auto", "off", "require", NULL };
static const char *const handoff_choices[] = { "tag", "greeting", NULL };
static const char *const log_choices[] = { "auto", "journal", "syslog", "stderr", NULL };
static const char *const pam_text_choices[] = { "authenticated", "always", NULL };
static const char *const session_choices[] = { "none", "open", "wait", NULL };

static setting_parser take_help, take_version;

static const struct row {
	enum group		 group;
	const char		*name;
	setting_parser		*parser;
	size_t			 offset;	/* of the value in struct options; 0: the parser needs none */
	enum times		 times;
	const char *const	*choices;	/* possible values; NULL: any text */
	const char		*value;		/* for --help; NULL: no value, or choices */
	const char		*help;
} rows[] = {
	{ TLS,	"cert",			setting_cert, 0, REPEATABLE, NULL, "FILE", "certificate chain, PEM" },
	{ TLS,	"key",			setting_key, 0, REPEATABLE, NULL, "FILE", "its private key, if not in there" },
	{ TLS,	"tls-on-connect",	setting_flag, AT(tls_on_connect), ONCE, NULL, NULL, "TLS at once, as on port 993" },
	{ TLS,	"tls",			setting_tls, 0, REPEATABLE, NULL, "NAME=VALUE", "a setting of SSL_CONF_cmd(3)" },
	{ TLS,	"ktls",			setting_choice, AT(ktls), ONCE, ktls_choices, NULL, "TLS in the kernel after the login (auto)" },
	{ TLS,	"client-ca",		setting_nonempty, AT(client_ca), ONCE, NULL, "FILE", "authorities of clients' certificates" },
	{ TLS,	"client-crl",		setting_nonempty, AT(client_crl), ONCE, NULL, "FILE", "their revocation lists" },
	{ TLS,	"cert-user",		setting_choice, AT(cert_user), ONCE, cert_user_choices, NULL, "place of the user's name in them (email)" },
	{ AUTH,	"allow-cleartext",	setting_choice, AT(allow_cleartext), ONCE, cleartext_choices, NULL, "passwords without TLS (none)" },
	{ AUTH,	"preauth",		setting_choice, AT(preauth), ONCE, preauth_choices, NULL, "logged in at once, without LOGIN (none)" },
	{ AUTH,	"proxy",		setting_proxy, 0, REPEATABLE, NULL, "NETWORK|unix", "addresses that send a PROXY header" },
	{ AUTH,	"max-attempts",		setting_count, AT(max_attempts), ONCE, NULL, "N", "failed logins before BYE (3)" },
	{ AUTH,	"failure-delay",	setting_delay, AT(failure_delay_ms), ONCE, NULL, "SECONDS", "minimum time of the first failure (2)" },
	{ AUTH,	"timeout",		setting_seconds, AT(timeout_ms), ONCE, NULL, "SECONDS", "from the connection to the login (60)" },
	{ AUTH,	"capability",		setting_string, AT(capability), ONCE, NULL, "LIST", "advertised before the login (LITERAL+)" },
	{ AUTH,	"strict",		setting_flag, AT(strict), ONCE, NULL, NULL, "refuse common violations of the RFCs" },
	{ PAM,	"pam-service",		setting_nonempty, AT(pam_service), ONCE, NULL, "NAME", "PAM service for passwords (imapgate)" },
	{ PAM,	"oauth-service",	setting_nonempty, AT(oauth_service), ONCE, NULL, "NAME", "PAM service for OAuth tokens (none)" },
	{ PAM,	"pam-confdir",		setting_nonempty, AT(pam_confdir), ONCE, NULL, "DIR", "directory of services, not the system's" },
	{ PAM,	"pam-session",		setting_choice, AT(pam_session), ONCE, session_choices, NULL, "wait: closed at the end (open)" },
	{ PAM,	"pam-text",		setting_choice, AT(pam_text), ONCE, pam_text_choices, NULL, "clients that see messages (authenticated)" },
	{ USER,	"min-uid",		setting_uid, AT(min_uid), ONCE, NULL, "UID", "smallest uid that may log in (1000)" },
	{ USER,	"run-as",		setting_nonempty, AT(run_as), ONCE, NULL, "USER", "one uid and groups for all users" },
	{ USER,	"home",			setting_home, AT(home), ONCE, NULL, "TEMPLATE", "and their home directory" },
	{ USER,	"handoff",		setting_choice, AT(handoff), ONCE, handoff_choices, NULL, "how PROGRAM answers the login (tag)" },
	{ USER,	"capability-after",	setting_nonempty, AT(capability_after), ONCE, NULL, "LIST", "advertised after the login" },
	{ USER,	"setenv",		setting_setenv, 0, REPEATABLE, NULL, "NAME=VALUE", "for PROGRAM's environment" },
	{ LISTENER, "max-connections",	setting_limit, AT(max_connections), ONCE, NULL, "N", "clients that are not logged in (1000)" },
	{ LISTENER, "max-connections-per-address", setting_limit, AT(max_connections_per_address), ONCE, NULL, "N", "of them from one address (20)" },
	{ LISTENER, "max-sessions",		setting_limit, AT(max_sessions), ONCE, NULL, "N", "sessions (10000)" },
	{ LISTENER, "max-sessions-per-address", setting_limit, AT(max_sessions_per_address), ONCE, NULL, "N", "of them from one address (1000)" },
	{ LISTENER, "max-sessions-per-user", setting_limit, AT(max_sessions_per_user), ONCE, NULL, "N", "of them by one user (100)" },
	{ LISTENER, "unlimited",		setting_unlimited, 0, REPEATABLE, NULL, "NETWORK", "addresses without these limits (none)" },
	{ HOST,	"gate-user",		setting_nonempty, AT(gate_user), ONCE, NULL, "NAME", "the unprivileged user (_imapgate)" },
	{ HOST,	"gate-root",		setting_nonempty, AT(gate_root), ONCE, NULL, "DIR", "its empty root directory (/run/imapgate)" },
	{ HOST,	"log",			setting_choice, AT(log), ONCE, log_choices, NULL, "where log lines go (auto)" },
	{ HOST,	"config",		setting_nonempty, AT(config), NOT_IN_FILE, NULL, "FILE", "has these options as \"name = value\"" },
	{ HOST,	"check",		setting_flag, AT(check), NOT_IN_FILE, NULL, NULL, "try everything that a login needs" },
	{ HOST,	"probe",		setting_flag, AT(probe), NOT_IN_FILE, NULL, NULL, "ask PROGRAM which options it needs" },
	{ HOST,	"user",			setting_nonempty, AT(user), NOT_IN_FILE, NULL, "NAME", "the user to check or to probe" },
	{ HOST,	"help",			take_help, 0, NOT_IN_FILE, NULL, NULL, "this list" },
	{ HOST,	"version",		take_version, 0, NOT_IN_FILE, NULL, NULL, "the version" },
};
#define ROWS	(sizeof(rows) / sizeof(rows[0]))

/* Settings in the order of their parsing, for options_write(). */
static struct taken {
	const struct row	*row;
	const char		*value;		/* NULL: flag */
} taken[ROWS + 2 * OPTIONS_CERTS_MAX + OPTIONS_TLS_MAX + OPTIONS_SETENV_MAX + OPTIONS_PROXIES_MAX + OPTIONS_UNLIMITED_MAX];
static size_t n_taken;
static char **program;

/* "<", since PROGRAM can be overridden too. */
_Static_assert(ROWS < OPTIONS_HIDDEN_MAX, "each option can be hidden");

/* State while options are parsed. */
struct parse {
	struct options	*opts;
	bool		 commanded[ROWS];	/* given on the command line */
	unsigned	 line[ROWS];		/* line in the file; 0: none */
	bool		 program_commanded;
	unsigned	 program_line;
};

/* Formats an option for --help: its name, and its value or choices. */
static void
format_option(const struct row *row, char *text, size_t size)
{
	int n = snprintf(text, size, "--%s %s", row->name, row->value != NULL ? row->value : "");
	size_t i;

	for (i = 0; row->choices != NULL && row->choices[i] != NULL; i++)
		n += snprintf(text + n, size - (size_t)n, "%s%s", i > 0 ? "|" : "", row->choices[i]);
}

static void __attribute__((noreturn))
take_help(struct options *o, const struct setting *s)
{
	char option[64];
	size_t i;

	(void)o;
	(void)s;
	puts("usage: imapgate [--check] [--probe] [options] [-- PROGRAM [ARGUMENT ...]]\n"
	    "Logs an IMAP client in on descriptors 0 and 1, then becomes the user and runs\n"
	    "PROGRAM there, for inetd, tcpserver and systemd. With a listening socket of\n"
	    "systemd's or inetd's it accepts the connections itself.\n"
	    "Without PROGRAM, it and more options are read from " OPTIONS_FILE ".");
	for (i = 0; i < ROWS; i++) {
		if (i == 0 || rows[i].group != rows[i - 1].group)
			printf("%s:\n", headings[rows[i].group]);
		format_option(&rows[i], option, sizeof(option));
		printf("  %-36s%s%s\n", option, rows[i].help, rows[i].times == REPEATABLE ? " *" : "");
	}
	puts("* may be given more than once. In ARGUMENT, --setenv and --home: %u is the user,\n"
	    "%n its part before @, %d behind it, %% a %; %h the home, but not in --home.\n"
	    "Manual: imapgate(8).");
	exit(0);
}

static void __attribute__((noreturn))
take_version(struct options *o, const struct setting *s)
{
	(void)o;
	(void)s;
	puts("imapgate " VERSION);
	exit(0);
}

/* Returns the entry for a setting: that of an earlier value if only the last one counts. */
static struct taken *
find_entry(const struct row *row)
{
	struct taken *entry = taken;

	while (entry < taken + n_taken && (row->times == REPEATABLE || entry->row != row))
		entry++;
	return entry;
}

/* Calls the parser for a setting and records it for options_write(). */
static void
take_setting(struct options *o, const struct row *row, const struct setting *s)
{
	struct taken *entry = find_entry(row);

	row->parser(o, s);
	if (row->times == NOT_IN_FILE || (row->parser == setting_flag && !*(bool *)((char *)o + row->offset)))
		return;
	if (entry == taken + sizeof(taken) / sizeof(taken[0]))
		setting_error(s, "too many options");
	*entry = (struct taken){ row, row->parser == setting_flag ? NULL : s->value };
	if (entry == taken + n_taken)
		n_taken++;
}

/* --- the file */

static const struct row *
find_row(const char *name)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

/* Records an option of the file that the command line overrides, for --check. */
static void
record_hidden(struct options *o, const char *name, unsigned line)
{
	size_t i;

	for (i = 0; i < o->n_hidden; i++)
		if (strcmp(o->hidden[i].name, name) == 0)
			return;
	o->hidden[o->n_hidden++] = (struct options_hidden){ name, line };
}

/* Takes PROGRAM or one of its arguments from the setting PROGRAM_LINE. */
static void
take_program(struct parse *p, const struct setting *s)
{
	if (p->program_line != 0 && p->program_line != s->line)
		setting_error(s, "already set in line %u", p->program_line);
	p->program_line = s->line;
	if (p->program_commanded)
		record_hidden(p->opts, s->name, s->line);
	else
		setting_program(p->opts, s);
}

/* Takes one setting of the file, unless the command line has the option. */
static void
take_from_file(void *arg, const char *name, char *value, unsigned line)
{
	struct parse *p = arg;
	struct setting s = { .name = name, .value = value, .file = p->opts->config, .line = line };
	const struct row *row = find_row(name);
	size_t i;

	if (strcmp(name, PROGRAM_LINE) == 0) {
		take_program(p, &s);
		return;
	}
	if (row == NULL)
		setting_error(&s, "unknown option");
	if (row->times == NOT_IN_FILE)
		setting_error(&s, "allowed only on the command line");
	i = (size_t)(row - rows);
	if (row->times == ONCE && p->line[i] != 0)
		setting_error(&s, "already set in line %u", p->line[i]);
	p->line[i] = line;
	if (p->commanded[i]) {
		record_hidden(p->opts, row->name, line);
		return;
	}
	s.offset = row->offset;
	s.choices = row->choices;
	take_setting(p->opts, row, &s);
}

static void
read_file(struct parse *p)
{
	struct config_error error;
	size_t i;
	int status;

	/*
	 * Keys belong to certificates by position, so all come from the command line if any
	 * does.
	 */
	for (i = 0; i < ROWS; i++)
		if (rows[i].parser == setting_cert || rows[i].parser == setting_key)
			p->commanded[i] = p->opts->n_cert + p->opts->n_key > 0;
	status = config_read(p->opts->config, PROGRAM_LINE, take_from_file, p, &error);
	if (status != 0)
		setting_file_error(status, p->opts->config, error.line, error.text);
	if (!p->program_commanded)
		p->opts->program = p->opts->program_args;
}

/* --- the command line */

/*
 * Returns whether the option was given by its full name. getopt_long(3) also accepts
 * abbreviations, which later options could make ambiguous.
 */
static bool
is_full_name(const char *argument, const struct row *row)
{
	size_t len = strlen(row->name);

	return strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, row->name, len) == 0 &&
	    (argument[2 + len] == '\0' || argument[2 + len] == '=');
}

/* Exits with an error text for an argument that getopt_long(3) refuses. */
static void __attribute__((noreturn))
refuse_argument(const char *argument)
{
	const struct row *row;
	char name[64];

	if (argument[1] != '-' && find_row(argument + 1) != NULL)
		setting_usage_error("%s: unknown option; an option begins with two dashes: -%s", argument, argument);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(argument, "="), argument);
	row = argument[1] == '-' ? find_row(name + 2) : NULL;
	if (row != NULL && strchr(argument, '=') != NULL)
		setting_usage_error("%s: %s takes no value", argument, name);
	if (strcmp(name, "--" PROGRAM_LINE) == 0)
		setting_usage_error("%s: unknown option; PROGRAM comes after \"--\"", argument);
	setting_usage_error("%s: unknown option", argument);
}

/* Refuses an option as the value of another: getopt_long(3) accepts any argument, even "--". */
static void
check_separate_value(const char *argument, const char *next, const char *value)
{
	if (value != NULL && value == next && strncmp(value, "--", 2) == 0)
		setting_usage_error("%s needs a value, not %s", argument, value);
}

/* Refuses a value after a flag: it would silently become PROGRAM. */
static void
check_flag(const char *before, const char *argument)
{
	static const char *const values[] = { "yes", "no", "true", "false", "on", "off", "1", "0" };
	size_t i;

	for (i = 0; argument != NULL && i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(argument, values[i]) == 0)
			setting_usage_error("%s takes no value: %s would be PROGRAM, which comes after \"--\"", before, argument);
}

static void
read_command_line(struct parse *p, int argc, char *argv[])
{
	struct option longs[ROWS + 1] = { 0 };
	const struct row *row = NULL;
	int ch, index, at;
	size_t i;

	for (i = 0; i < ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = rows[i].value != NULL || rows[i].choices != NULL ? required_argument : no_argument;
	}
	opterr = 0;
	for (at = 1; (ch = getopt_long(argc, argv, "+:", longs, &index)) != -1; at = optind) {
		if (ch == ':')
			setting_usage_error("%s needs a value", argv[optind - 1]);
		if (ch != 0 || !is_full_name(argv[at], &rows[index]))
			refuse_argument(argv[at]);
		p->commanded[index] = true;
		row = &rows[index];
		check_separate_value(argv[at], argv[at + 1], optarg);
		take_setting(p->opts, row, &(struct setting){ row->name, optarg, row->offset, row->choices, NULL, 0 });
	}
	/* The argument after "--" is PROGRAM, even if it looks like a value. */
	if (row != NULL && row->value == NULL && row->choices == NULL && strcmp(argv[optind - 1], "--") != 0)
		check_flag(argv[optind - 1], argv[optind]);
	p->opts->program = argv + optind;
	p->program_commanded = argv[optind] != NULL;
}

/* Checks combinations of options and fills defaults, after all were read. */
static void
complete_options(struct options *o)
{
	size_t i;

	if (o->n_key > o->n_cert)
		setting_usage_error("--key without a --cert");
	/* With such a delay every login would be refused (delay_fits()). */
	if (o->failure_delay_ms > 0 && o->failure_delay_ms >= o->timeout_ms)
		setting_usage_error("--failure-delay must be shorter than --timeout");
	for (i = o->n_key; i < o->n_cert; i++)
		o->key[i] = o->cert[i];
	if (o->tls_on_connect && o->n_cert == 0)
		setting_usage_error("--tls-on-connect needs a --cert");
	if (o->client_ca != NULL && o->n_cert == 0)
		setting_usage_error("--client-ca needs a --cert");
	if (o->client_crl != NULL && o->client_ca == NULL)
		setting_usage_error("--client-crl needs a --client-ca");
	if (o->preauth == PREAUTH_CERT && o->client_ca == NULL)
		setting_usage_error("--preauth cert needs --client-ca");
	if (o->home != NULL && o->run_as == NULL)
		setting_usage_error("--home needs --run-as");
	if (o->user != NULL && !o->check && !o->probe)
		setting_usage_error("--user needs --check or --probe");
	if (o->probe && o->user == NULL && geteuid() == 0)
		setting_usage_error("--probe needs --user if root runs it");
	if (o->program[0] == NULL && o->config != NULL)
		setting_usage_error("no PROGRAM, and no \"" PROGRAM_LINE " = ...\" in %.200s", o->config);
	if (o->program[0] == NULL || o->program[0][0] == '\0')
		setting_usage_error("no PROGRAM");
}

/*
 * Chooses OPTIONS_FILE if there is neither --config nor PROGRAM. A command line with PROGRAM is
 * complete: no file that is meant for another service changes it.
 */
static void
choose_file(const struct parse *p)
{
	struct options *o = p->opts;

	if (o->config != NULL || p->program_commanded)
		return;
	if (access(OPTIONS_FILE, F_OK) == -1 && errno == ENOENT)
		setting_usage_error("no PROGRAM, and " OPTIONS_FILE " does not exist");
	o->config = OPTIONS_FILE;
}

void
options_parse(struct options *o, int argc, char *argv[])
{
	struct parse p = { .opts = o };

	*o = (struct options){
		.max_attempts = 3,
		.timeout_ms = 60 * 1000,
		.failure_delay_ms = 2 * 1000,
		.max_connections = 1000,
		.max_connections_per_address = 20,
		.max_sessions = 10000,
		.max_sessions_per_address = 1000,
		.max_sessions_per_user = 100,
		.gate_user = "_imapgate",
		.gate_root = "/run/imapgate",
		.min_uid = 1000,
		.capability = "LITERAL+",
		.pam_service = "imapgate",
		.pam_session = PAM_SESSION_OPEN,
	};
	read_command_line(&p, argc, argv);
	choose_file(&p);
	if (o->config != NULL)
		read_file(&p);
	complete_options(o);
	program = o->program;
}

/* --- options for other processes */

static bool
is_one_of(const char *name, const char *const list[])
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* Options that a gate uses with its client or to enter its sandbox. */
static const char *const for_gates[] = { "cert", "key", "tls-on-connect", "tls", "ktls", "client-ca", "client-crl", "cert-user",
    "allow-cleartext", "preauth", "proxy", "timeout", "failure-delay", "capability", "strict", "oauth-service", "gate-user", "gate-root", NULL };
static const char *const for_signer[] = { "cert", "key", "gate-user", "gate-root", NULL };

static bool
is_for(const struct row *row, enum role role)
{
	return role == ROLE_MONITOR_ZYGOTE || is_one_of(row->name, role == ROLE_GATE_ZYGOTE ? for_gates : for_signer);
}

bool
options_write(enum role role, int fd)
{
	static char *nothing[] = { (char *)"-", NULL };
	char **argument = role == ROLE_MONITOR_ZYGOTE ? program : nothing;
	bool written = dprintf(fd, "imapgate%c", '\0') > 0;
	size_t i;

	for (i = 0; i < n_taken && written; i++)
		if (is_for(taken[i].row, role))
			written = dprintf(fd, "--%s%s%s%c", taken[i].row->name, taken[i].value != NULL ? "=" : "",
			    taken[i].value != NULL ? taken[i].value : "", '\0') > 0;
	written = written && dprintf(fd, "--%c", '\0') > 0;
	for (; *argument != NULL && written; argument++)
		written = dprintf(fd, "%s%c", *argument, '\0') > 0;
	return written;
}
