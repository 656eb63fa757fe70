#ifndef IMAPGATE_OPTIONS_H
#define IMAPGATE_OPTIONS_H

/*
 * What was asked for, on the command line and in the file of --config: one
 * struct, filled once and only read afterwards. All strings are there for as
 * long as the process lives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/log.h"
#include "proto/network.h"

/* RSA and ECDSA for a handful of names: more is a proxy's work. */
#define OPTIONS_CERTS	16
#define OPTIONS_TLS	32
#define OPTIONS_SETENV	64
#define OPTIONS_PROXIES	32
#define OPTIONS_UNLIMITED 32
/* PROGRAM and its arguments in a file; on the command line the kernel has the say. */
#define OPTIONS_WORDS	64
/* As many options as there may be. */
#define OPTIONS_HIDDEN	64

/* The file that is read where the command line has neither --config nor PROGRAM. */
#define OPTIONS_FILE	"/etc/imapgate/imapgate.conf"

/* The most connections or sessions that a listener may be asked to have. */
#define OPTIONS_LIMIT_MAX 30000

enum cleartext {
	CLEARTEXT_NONE,
	CLEARTEXT_LOOPBACK,
	CLEARTEXT_ALL,
};

/* Which clients are shown what PAM's modules want the user to read. */
enum pam_text {
	PAM_TEXT_AUTHENTICATED,	/* those whose password was right */
	PAM_TEXT_ALWAYS,
};

/* Who is logged in without a word: see the manual, --preauth. */
enum preauth {
	PREAUTH_NONE,
	PREAUTH_PEER,		/* the user at the other end of a Unix-domain socket */
	PREAUTH_CERT,		/* whom the client's certificate names */
};

/* Where in a client's certificate its user's name is. */
enum cert_user {
	CERT_USER_EMAIL,	/* subjectAltName, rfc822Name */
	CERT_USER_UPN,		/* subjectAltName, otherName userPrincipalName */
	CERT_USER_CN,		/* the subject's commonName */
};

/* Who writes the tagged OK: see the manual, HANDOFF. */
enum greeting_style {
	GREETING_STYLE_TAG,
	GREETING_STYLE_GREETING,
};

/* Whether the kernel does TLS after the login: see the manual, KERNEL TLS. */
enum ktls_use {
	KTLS_AUTO,
	KTLS_OFF,
	KTLS_REQUIRE,
};

/* How long a PAM session lasts: see the manual, PAM sessions. */
enum pam_session {
	PAM_SESSION_NONE,
	PAM_SESSION_OPEN,	/* opened, and left to itself */
	PAM_SESSION_WAIT,	/* closed at the mailbox program's end */
};

/* An option of the file that the command line has too, and its first line there. */
struct options_hidden {
	const char	*name;
	unsigned	 line;
};

struct options {
	const char	*config;		/* the file that was read, NULL for none */
	struct options_hidden hidden[OPTIONS_HIDDEN];
	size_t		 hiddens;
	bool		 tls_on_connect;
	const char	*cert[OPTIONS_CERTS];
	const char	*key[OPTIONS_CERTS];	/* the cert's own file where no --key was given */
	size_t		 certs;
	size_t		 keys;			/* of them, how many had a --key */
	char		*tls[OPTIONS_TLS];	/* "NAME=VALUE" for SSL_CONF_cmd(3) */
	size_t		 tlss;
	enum ktls_use	 ktls;
	const char	*client_ca;		/* whose certificates let clients in, NULL for none */
	const char	*client_crl;		/* its revocations, NULL: not asked for */
	enum cert_user	 cert_user;
	enum preauth	 preauth;
	enum pam_text	 pam_text;
	enum cleartext	 allow_cleartext;
	struct network	 proxy[OPTIONS_PROXIES]; /* who has to say for whom it connects */
	size_t		 proxies;
	bool		 proxy_unix;		/* so has who comes by a Unix-domain socket */
	unsigned	 max_attempts;
	unsigned	 timeout_ms;
	unsigned	 failure_delay_ms;
	unsigned	 max_connections;	/* not logged in; these five are for a listener */
	unsigned	 max_connections_per_address;
	unsigned	 max_sessions;		/* logged in */
	unsigned	 max_sessions_per_address;
	unsigned	 max_sessions_per_user;
	struct network	 unlimited[OPTIONS_UNLIMITED]; /* whose addresses are not limited one by one; none: loopback has a share */
	size_t		 unlimiteds;
	const char	*gate_user;
	const char	*gate_root;
	uid_t		 min_uid;
	enum greeting_style handoff;
	const char	*capability;
	const char	*capability_after;	/* NULL for none */
	char		*setenv[OPTIONS_SETENV]; /* "NAME=VALUE" */
	size_t		 setenvs;
	const char	*pam_service;
	const char	*oauth_service;		/* PAM service that judges tokens, NULL: OAuth is off */
	const char	*pam_confdir;		/* NULL for the system's */
	enum pam_session pam_session;
	const char	*run_as;		/* NULL: accounts have a uid of their own */
	const char	*home;			/* template, NULL: the account's */
	enum log_target	 log;
	bool		 strict;
	bool		 check;			/* no connection is served: settings are tried */
	bool		 probe;			/* the same: the mailbox program is asked which it needs */
	const char	*user;			/* for whom, NULL: nobody in particular */
	char		**program;		/* PROGRAM and its arguments, ends in NULL */
	char		*words[OPTIONS_WORDS + 1]; /* the same, as the file has them */
	size_t		 nwords;
};

/* The processes that are told of settings by another one, see role.h. */
enum role {
	ROLE_GATES,		/* gate zygote */
	ROLE_SIGNER,
	ROLE_MONITORS,		/* monitor zygote */
};

/* Says what is wrong instead of standard error, for who has none; NULL: standard error. */
extern void	(*options_error_hook)(const char *text);

/*
 * Fills the options from the command line and, where that is silent, from
 * the file of --config, or from OPTIONS_FILE if there is neither --config nor
 * PROGRAM. --help and --version print and exit with 0; what can't be
 * understood is one line on standard error and the exit status EX_USAGE, for
 * the file EX_CONFIG or EX_NOINPUT (sysexits(3)).
 */
void	options_parse(struct options *, int argc, char *argv[]);

/*
 * Writes what a role needs of the options that were parsed last: the words of
 * a command line, each with its NUL. Returns false with errno if that fails.
 *
 * SECURITY: gates and the signer get no value of --setenv, and nothing of PAM.
 */
bool	options_write(enum role, int fd);

#endif
