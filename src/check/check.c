/*
 * --check, see check.h. Run by the administrator, usually as root, without clients. --check
 * calls the same functions of gate, monitor and connection.c as a login, with the same options.
 * No check covers what a superserver or a client would do.
 */

#include "check/check.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/certificate.h"
#include "check/finding.h"
#include "check/host.h"
#include "check/invoker.h"
#include "check/pamstack.h"
#include "check/probe.h"
#include "check/program.h"
#include "check/units.h"
#include "check/user.h"
#include "connection.h"

/* Returns the first uid of users (login.defs(5)), 1000 without that file. */
static unsigned long
first_user(void)
{
	unsigned long uid = 1000;
	FILE *f = fopen("/etc/login.defs", "re");
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "UID_MIN %lu", &uid) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return uid;
}

/* Checks uids. Returns false if the user of --run-as can't log in, and so no user can. */
static bool
check_uids(const struct options *o)
{
	unsigned long first = first_user();
	const struct passwd *pw;
	bool works;

	if (o->min_uid < first)
		finding_report(FINDING_WARNING, "--min-uid", "%u lets accounts of the system log in; users begin at %lu here (login.defs)",
		    (unsigned)o->min_uid, first);
	if (o->run_as == NULL)
		return true;
	pw = getpwnam(o->run_as);
	works = pw != NULL && pw->pw_uid != 0 && pw->pw_uid >= o->min_uid;
	if (pw == NULL)
		finding_report(FINDING_ERROR, "--run-as", "there is no user %s", o->run_as);
	else if (!works)
		user_report_uid(o, "--run-as", o->run_as, pw->pw_uid);
	else
		finding_report(FINDING_OK, "--run-as", "all users have uid %u", (unsigned)pw->pw_uid);
	return works;
}

/* Reports each setting of the file that the command line overrides. */
static void
report_hidden(const struct options *o)
{
	size_t i;

	for (i = 0; i < o->n_hidden; i++)
		finding_report(FINDING_NOTE, o->config, "%s in line %u is ignored: the command line has %s", o->hidden[i].name, o->hidden[i].line,
		    strcmp(o->hidden[i].name, "program") == 0 ? "another" : "its own");
}

/* Checks the file of options; root would have refused to read one that others can write. */
static void
check_config(const struct options *o)
{
	struct stat st;

	if (o->config == NULL) {
		if (access(OPTIONS_FILE, F_OK) == 0)
			finding_report(FINDING_NOTE, OPTIONS_FILE, "it is not read: the command line has a PROGRAM, and no --config");
		return;
	}
	if (stat(o->config, &st) == 0 && ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())))
		finding_report(FINDING_WARNING, o->config, "other users can change it: root refuses to read it; chown root: and chmod go-w it");
	else
		finding_report(FINDING_OK, o->config, "options%s are read from it", o->program == o->program_args ? " and the mailbox program" : "");
	report_hidden(o);
	if (strcmp(o->config, OPTIONS_FILE) == 0)
		units_check();
}

static void
check_path(const char *option, const char *path)
{
	if (path != NULL && path[0] != '/')
		finding_report(FINDING_WARNING, option, "%s is relative to the current directory, which is another one under most superservers; give its "
		    "absolute path", path);
}

static void
check_paths(const struct options *o)
{
	size_t i;

	check_path("--config", o->config);
	for (i = 0; i < o->n_cert; i++) {
		check_path("--cert", o->cert[i]);
		check_path("--key", o->key[i] != o->cert[i] ? o->key[i] : NULL);
	}
	check_path("--client-ca", o->client_ca);
	check_path("--client-crl", o->client_crl);
	check_path("--pam-confdir", o->pam_confdir);
	check_path("--gate-root", o->gate_root);
}

/* Checks whether a client on the network can log in at all. */
static void
check_cleartext(const struct options *o, bool tls)
{
	if (o->allow_cleartext == CLEARTEXT_ALL)
		finding_report(FINDING_WARNING, "--allow-cleartext", "passwords are accepted from networks without TLS");
	if (tls || o->allow_cleartext == CLEARTEXT_ALL)
		return;
	if (o->n_cert > 0)
		finding_report(FINDING_ERROR, "TLS", "no certificate can be used: a listener will not start; under a superserver %s", o->tls_on_connect ?
		    "no client will get any answer" : o->allow_cleartext == CLEARTEXT_NONE ? "every login over TCP will be refused" :
		    "only clients on this host can log in");
	else
		finding_report(FINDING_WARNING, "TLS", "there is no --cert: over TCP %s can log in, unless the superserver terminates TLS; a listener does "
		    "not start on a socket for imaps", o->allow_cleartext == CLEARTEXT_NONE ? "nobody" : "only clients on this host");
}

/*
 * Returns whether a network is too large to be a list of proxies. 10.0.0.0/8 is the largest
 * private one; 96 bits come before an IPv4 address.
 */
static bool
is_too_large(const struct network *n)
{
	return n->bits < (network_is_ipv4(n->address) ? 96 + 8 : 16);
}

/* Checks the networks that may send a client's address. */
static void
check_proxies(const struct options *o)
{
	size_t i;

	for (i = 0; i < o->n_proxy; i++)
		if (is_too_large(&o->proxy[i])) {
			finding_report(FINDING_WARNING, "--proxy", "network %zu is so large that strangers could claim any address; name only the proxies", i + 1);
			return;
		}
	if (o->n_proxy > 0 || o->proxy_unix)
		finding_report(FINDING_OK, "--proxy", "%zu addresses or networks%s must send a header", o->n_proxy, o->proxy_unix ?
		    ", and Unix-domain sockets," : "");
}

static void
check_limits(const struct options *o)
{
	if (o->max_connections_per_address > o->max_connections)
		finding_report(FINDING_WARNING, "--max-connections", "%u is less than --max-connections-per-address: one client could use up all",
		    o->max_connections);
	if (o->max_sessions_per_address > o->max_sessions)
		finding_report(FINDING_WARNING, "--max-sessions", "%u is less than --max-sessions-per-address: one client could use up all",
		    o->max_sessions);
	if (o->max_sessions_per_user > o->max_sessions)
		finding_report(FINDING_WARNING, "--max-sessions", "%u is less than --max-sessions-per-user: one user could use up all",
		    o->max_sessions);
}

int
check_run(const struct options *o)
{
	struct sandbox sandbox = { 0 };
	bool tls, run_as_works, program_works;

	invoker_remember();
	connection_clear_environment();
	if (geteuid() != 0)
		finding_report(FINDING_WARNING, "not root", "these findings are true of this user; superservers start imapgate as root");
	check_config(o);
	check_paths(o);
	tls = certificate_check(o);
	check_cleartext(o, tls);
	check_proxies(o);
	check_limits(o);
	pamstack_check(o, o->pam_service);
	if (o->oauth_service != NULL && strcmp(o->oauth_service, o->pam_service) != 0)
		pamstack_check(o, o->oauth_service);
	host_check(o, &sandbox);
	run_as_works = check_uids(o);
	program_works = program_check(o, &sandbox);
	if (o->user != NULL && run_as_works)
		user_check(o, program_works);
	/* The probe would only report the same errors again. */
	if (o->probe && finding_worst() < FINDING_ERROR)
		probe_ask(o);
	else if (o->probe)
		finding_report(FINDING_NOTE, "--probe", "the mailbox program was not started; correct the errors above and try again");
	return (int)finding_worst();
}
