#ifndef IMAPGATE_OPTIONS_H
#define IMAPGATE_OPTIONS_H

/*
 * The settings from the command line and the file of --config, in a struct that is filled once
 * and then only read. All strings live as long as the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/log.h"
#include "proto/network.h"

/* Limits of lists. RSA and ECDSA certificates for a few names; for more use a proxy. */
#define OPTIONS_CERTS_MAX	16
#define OPTIONS_TLS_MAX	32
#define OPTIONS_SETENV_MAX	64
#define OPTIONS_PROXIES_MAX	32
#define OPTIONS_UNLIMITED_MAX 32
/* PROGRAM and its arguments in a file; on the command line only the kernel limits them. */
#define OPTIONS_PROGRAM_ARGS_MAX	64
/* At least the number of options. */
#define OPTIONS_HIDDEN_MAX	64

/* The file that is read if the command line has neither --config nor PROGRAM. */
#define OPTIONS_FILE	"/etc/imapgate/imapgate.conf"

/* Largest limit of a listener's connections or sessions. */
#define OPTIONS_LIMIT_MAX 30000

enum cleartext {
	CLEARTEXT_NONE,
	CLEARTEXT_LOOPBACK,
	CLEARTEXT_ALL,
};

/* Clients that are sent the messages of PAM modules. */
enum pam_text {
	PAM_TEXT_AUTHENTICATED,	/* after the right password */
	PAM_TEXT_ALWAYS,
};

/* Clients that are logged in without a command: see the manual, --preauth. */
enum preauth {
	PREAUTH_NONE,
	PREAUTH_PEER,		/* by the uid of a Unix-domain socket's peer */
	PREAUTH_CERT,		/* by the client's certificate */
};

/* Place of the user name in a client's certificate. */
enum cert_user {
	CERT_USER_EMAIL,	/* subjectAltName, rfc822Name */
	CERT_USER_UPN,		/* subjectAltName, otherName userPrincipalName */
	CERT_USER_CN,		/* commonName of the subject */
};

/* The writer of the tagged OK: see the manual, HANDOFF. */
enum greeting_style {
	GREETING_STYLE_TAG,
	GREETING_STYLE_GREETING,
};

/* Use of TLS in the kernel after the login: see the manual, KERNEL TLS. */
enum ktls_use {
	KTLS_AUTO,
	KTLS_OFF,
	KTLS_REQUIRE,
};

/* The duration of a PAM session: see the manual, PAM sessions. */
enum pam_session {
	PAM_SESSION_NONE,
	PAM_SESSION_OPEN,	/* opened and never closed */
	PAM_SESSION_WAIT,	/* closed after the mailbox program's end */
};

/* An option of the file that the command line overrides, and its first line there. */
struct options_hidden {
	const char	*name;
	unsigned	 line;
};

struct options {
	const char	*config;		/* the file that was read, NULL: none */
	struct options_hidden hidden[OPTIONS_HIDDEN_MAX];
	size_t		 n_hidden;
	bool		 tls_on_connect;
	const char	*cert[OPTIONS_CERTS_MAX];
	const char	*key[OPTIONS_CERTS_MAX];	/* file of the key; the certificate's if there is no --key */
	size_t		 n_cert;
	size_t		 n_key;			/* number of --key options */
	char		*tls[OPTIONS_TLS_MAX];	/* "NAME=VALUE" for SSL_CONF_cmd(3) */
	size_t		 n_tls;
	enum ktls_use	 ktls;
	const char	*client_ca;		/* CA file for clients' certificates; NULL: none */
	const char	*client_crl;		/* its revocation lists; NULL: no check */
	enum cert_user	 cert_user;
	enum preauth	 preauth;
	enum pam_text	 pam_text;
	enum cleartext	 allow_cleartext;
	struct network	 proxy[OPTIONS_PROXIES_MAX]; /* networks that must send a PROXY header */
	size_t		 n_proxy;
	bool		 proxy_unix;		/* so must Unix-domain sockets */
	unsigned	 max_attempts;
	unsigned	 timeout_ms;
	unsigned	 failure_delay_ms;
	unsigned	 max_connections;	/* before the login; listeners use these five */
	unsigned	 max_connections_per_address;
	unsigned	 max_sessions;		/* after the login */
	unsigned	 max_sessions_per_address;
	unsigned	 max_sessions_per_user;
	struct network	 unlimited[OPTIONS_UNLIMITED_MAX]; /* not limited by address; none: loopback has a share */
	size_t		 n_unlimited;
	const char	*gate_user;
	const char	*gate_root;
	uid_t		 min_uid;
	enum greeting_style handoff;
	const char	*capability;
	const char	*capability_after;	/* NULL: none */
	char		*setenv[OPTIONS_SETENV_MAX]; /* "NAME=VALUE" */
	size_t		 n_setenv;
	const char	*pam_service;
	const char	*oauth_service;		/* PAM service for tokens; NULL: no OAuth */
	const char	*pam_confdir;		/* NULL: the system's */
	enum pam_session pam_session;
	const char	*run_as;		/* NULL: each account has its own uid */
	const char	*home;			/* template; NULL: that of the account */
	enum log_target	 log;
	bool		 strict;
	bool		 check;			/* test the settings, serve no connection */
	bool		 probe;			/* test the mailbox program, serve no connection */
	const char	*user;			/* user to check or probe; NULL: none */
	char		**program;		/* PROGRAM and its arguments, NULL at the end */
	char		*program_args[OPTIONS_PROGRAM_ARGS_MAX + 1]; /* the same from the file */
	size_t		 n_program_args;
};

/* Processes that get their settings from a listener, see role.h. */
enum role {
	ROLE_GATE_ZYGOTE,	/* gate zygote */
	ROLE_SIGNER,
	ROLE_MONITOR_ZYGOTE,	/* monitor zygote */
};

/* Called with an error text. NULL: the text is written to standard error. */
extern void	(*options_error_hook)(const char *text);

/*
 * Fills the options from the command line, and from the file of --config for options that it
 * does not have; without --config and PROGRAM the file is OPTIONS_FILE. --help and --version
 * print and exit with 0. An error is written as one line, and the process exits with EX_USAGE;
 * for the file with EX_CONFIG or EX_NOINPUT (sysexits(3)).
 */
void	options_parse(struct options *, int argc, char *argv[]);

/*
 * Writes the options of the last options_parse that a role needs to fd, as a command line whose
 * words each end in NUL. Returns false with errno on failure.
 *
 * SECURITY: gates and the signer get no value of --setenv, and nothing of PAM but the name of
 * --oauth-service.
 */
bool	options_write(enum role, int fd);

#endif
