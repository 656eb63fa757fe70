/*
 * The mailbox program's environment, see environment.h. Run by the monitor, as root.
 *
 * SECURITY: some values are chosen by the client, and the mailbox program may be a shell script.
 * A value that is not printable text, or that begins like a bash function ("() {"), is left out.
 */

#include "monitor/environment.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/sasl.h"

#define DEFAULT_PATH	"/usr/local/bin:/usr/bin:/bin"

/*
 * Names that PAM modules can't set, because they change how programs run or identify the user.
 * "*" matches any end.
 */
static const char *const forbidden_to_pam[] = {
	"LD_*", "DYLD_*", "MALLOC_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "RES_OPTIONS", "RESOLV_*",
	"IFS", "ENV", "BASH_*", "SHELLOPTS", "BASHOPTS", "PS4", "CDPATH", "PERL*", "PYTHON*", "RUBY*", "NODE_*", "JAVA_*",
	"OPENSSL_*", "SSLKEYLOGFILE", "SSL_*", "TCP*", "IMAP*", "BINCIMAP*", "DOVE*", "LISTEN_*", "NOTIFY_SOCKET",
	"USER", "LOGNAME", "HOME", "SHELL", "UID", "GID", "AUTHENTICATED", "PROTOCOL", "OPTIONS", "PROTO", "IP", "LOCAL_IP",
	"REMOTE_*", "PATH",
};

static bool
matches_pattern(const char *pattern, const char *name, size_t len)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return len >= n - 1 && strncasecmp(pattern, name, n - 1) == 0;
	return len == n && strncasecmp(pattern, name, n) == 0;
}

static bool
may_pam_set(const char *name, size_t len)
{
	size_t i;

	if (len == 0)
		return false;
	for (i = 0; i < sizeof(forbidden_to_pam) / sizeof(forbidden_to_pam[0]); i++)
		if (matches_pattern(forbidden_to_pam[i], name, len))
			return false;
	return true;
}

/* Returns the index of a variable, or e->n if there is none of this name. */
static size_t
find_var(const struct environment *e, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < e->n; i++)
		if (strncmp(e->vars[i], name, len) == 0 && e->vars[i][len] == '=')
			break;
	return i;
}

/* Adds NAME=value or replaces an earlier one. Returns false if there is no room. */
static bool
set_var(struct environment *e, const char *name, size_t name_len, const char *value)
{
	size_t i, size = name_len + 1 + strlen(value) + 1;
	char *at = e->store + e->used;

	if (strncmp(value, "() {", 4) == 0 || (value[0] != '\0' && !sasl_is_text(value)))
		return true;
	if (size > sizeof(e->store) - e->used)
		return false;
	i = find_var(e, name, name_len);
	if (i == ENVIRONMENT_VARIABLES_MAX)
		return false;
	memcpy(at, name, name_len);
	at[name_len] = '=';
	strcpy(at + name_len + 1, value);
	e->used += size;
	e->vars[i] = at;
	if (i == e->n)
		e->vars[++e->n] = NULL;
	return true;
}

static bool
add_var(struct environment *e, const char *name, const char *value)
{
	return set_var(e, name, strlen(name), value);
}

static bool
add_number(struct environment *e, const char *name, unsigned long n)
{
	char value[24];

	snprintf(value, sizeof(value), "%lu", n);
	return add_var(e, name, value);
}

/* Adds the user's variables, as set by checkpassword and login(1). */
static bool
add_account(struct environment *e, const struct account *a)
{
	return add_var(e, "USER", a->name) && add_var(e, "LOGNAME", a->name) && add_var(e, "HOME", a->home) &&
	    add_var(e, "SHELL", a->shell[0] != '\0' ? a->shell : "/bin/sh") && add_var(e, "PATH", DEFAULT_PATH) &&
	    add_number(e, "UID", a->uid) && add_number(e, "GID", a->gid);
}

/*
 * Adds the variables of Courier, Binc and Dovecot. Dovecot clears its environment except for
 * DOVECOT_PRESERVE_ENVS; 2.4.1 clears even USER and HOME.
 */
static bool
add_login(struct environment *e, const struct environment_facts *f)
{
	char login[sizeof("AUTHENTICATE+") + MSG_TAG_MAX];

	snprintf(login, sizeof(login), "%s+%s", f->command, f->tag);
	/*
	 * Without a tag these programs send PREAUTH, which --preauth and --handoff greeting
	 * need.
	 */
	if (f->tag[0] != '\0' && f->opts->handoff == GREETING_STYLE_TAG &&
	    !(add_var(e, "IMAPLOGINTAG", f->tag) && add_var(e, "BINCIMAP_LOGIN", login)))
		return false;
	return add_var(e, "AUTHENTICATED", f->account->name) && add_var(e, "PROTOCOL", "IMAP") && add_var(e, "OPTIONS", "") &&
	    add_var(e, "BINCIMAP_USERID", f->account->name) && add_var(e, "DOVECOT_PRESERVE_ENVS", "USER HOME IMAPLOGINTAG IP LOCAL_IP");
}

/*
 * Adds the client's address by the names of UCSPI, systemd and Dovecot. Courier needs an address,
 * so local clients get 127.0.0.1.
 */
static bool
add_peer(struct environment *e, const struct peer *p)
{
	bool known = strcmp(p->ip, "local") != 0;
	const char *ip = known ? p->ip : "127.0.0.1";
	const char *local = strcmp(p->local_ip, "local") != 0 ? p->local_ip : ip;

	return add_var(e, "PROTO", "TCP") && add_var(e, "TCPREMOTEIP", ip) && add_var(e, "TCPREMOTEPORT", p->port) &&
	    add_var(e, "TCPLOCALIP", local) && add_var(e, "TCPLOCALPORT", p->local_port) && add_var(e, "REMOTE_ADDR", ip) &&
	    add_var(e, "REMOTE_PORT", p->port) && add_var(e, "IP", ip) && add_var(e, "LOCAL_IP", local);
}

static bool
add_tls(struct environment *e, const struct msg_tls *tls)
{
	if (tls->protocol[0] == '\0')
		return true;
	return add_var(e, "SSL_PROTOCOL", tls->protocol) && add_var(e, "SSL_CIPHER", tls->cipher) && add_var(e, "IMAP_TLS", "1") &&
	    (tls->sni[0] == '\0' || add_var(e, "SSL_TLS_SNI_SERVER_NAME", tls->sni));
}

/* Adds PAM's variables, last so that all others fit. Skips names that are set already. */
static void
add_pam(struct environment *e, char **vars)
{
	size_t own = e->n;

	for (; vars != NULL && *vars != NULL; vars++) {
		size_t len = strcspn(*vars, "=");

		if ((*vars)[len] != '=' || !may_pam_set(*vars, len) || find_var(e, *vars, len) < own)
			continue;
		if (set_var(e, *vars, len, *vars + len + 1))
			continue;
		if (e->dropped++ == 0)
			snprintf(e->first_dropped, sizeof(e->first_dropped), "%.*s", (int)len, *vars);
	}
}

static bool
add_options(struct environment *e, const struct environment_facts *f)
{
	char value[4096];
	size_t i;

	for (i = 0; i < f->opts->n_setenv; i++) {
		const char *var = f->opts->setenv[i];
		size_t len = strcspn(var, "=");

		if (!account_expand(f->account, var + len + 1, value, sizeof(value)) || !set_var(e, var, len, value))
			return false;
	}
	return true;
}

bool
environment_build(struct environment *e, const struct environment_facts *f)
{
	e->n = e->used = e->dropped = 0;
	e->vars[0] = NULL;
	if (!add_account(e, f->account) || !add_login(e, f) || !add_peer(e, f->peer) || !add_tls(e, f->tls) || !add_options(e, f))
		return false;
	add_pam(e, f->pam);
	return true;
}
