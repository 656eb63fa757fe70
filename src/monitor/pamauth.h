#ifndef IMAPGATE_MONITOR_PAMAUTH_H
#define IMAPGATE_MONITOR_PAMAUTH_H

/*
 * PAM (pam(3)) in the monitor: one conversation per attempt. Messages of modules never fail a
 * login; prompts are answered only with the password, once, or the user name.
 */

#include <limits.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/peer.h"
#include "boundary/msg.h"
#include "config/options.h"

struct pamauth {
	pam_handle_t	*handle;		/* NULL: no transaction is open */
	char		 user[MSG_NAME_MAX];	/* answer to prompts with echo */
	/* Answer to the first prompt without echo; NULL after the attempt. */
	const char	*secret;
	bool		 answered;		/* the secret was given to a module */
	bool		 asked;		/* pam_authenticate() was called with a secret */
	bool		 authenticated;		/* PAM has accepted the secret, or none is needed */
	bool		 second_prompt;		/* a module prompted a second time */
	bool		 credentials;		/* pam_setcred() has established credentials */
	bool		 session;		/* pam_open_session() has succeeded */
	char		 text[MSG_TEXT_MAX];	/* modules' messages for the user, cleaned */
};

/* The result of a step. reason is for the log, such as the name of a PAM code. */
struct pamauth_result {
	enum msg_outcome	 outcome;
	const char		*reason;
	bool			 repeated;	/* PAM was not asked: same attempt as the last */
	/* Further information for the log; NULL: none. */
	/* "start", "authenticate", "account", "credentials" or "session". */
	const char		*step;
	const char		*text;		/* modules' messages, in struct pamauth */
	const char		*path;		/* the file at fault */
	const char		*error;		/* the system's error text */
};

/*
 * Asks a PAM service whether the secret is the user's (pam_authenticate(3)) and the account may
 * be used (pam_acct_mgmt(3)). user may be "" if the secret names it; secret is NULL if the user
 * is known already. After success the transaction stays open for the functions below; after
 * failure it is closed.
 */
struct pamauth_result	pamauth_check(struct pamauth *, const struct options *, const struct peer *, const char *service,
    const char *user, const char *secret);

/*
 * Starts PAM with the service's file from --pam-confdir or the system's directories. User may be
 * NULL. Returns a PAM code; lazyload_pam() must have succeeded before.
 */
int	pamauth_begin(const struct options *, const char *service, const char *user, const struct pam_conv *, pam_handle_t **);

/*
 * Fills the i-th path, from 0, at which PAM looks for the file of a service, or of an included
 * one: in confdir, or with NULL in the system's directories. The first file that exists counts.
 * Returns false if there are fewer paths.
 */
bool	pamauth_service_path(const char *confdir, const char *service, size_t, char path[PATH_MAX]);

/*
 * Finds the readable file of a service in --pam-confdir or the system's directories. Returns
 * false if there is none.
 */
bool	pamauth_find_service(const struct options *, const char *service, char path[PATH_MAX]);

/*
 * Returns the user that the modules have chosen (PAM_USER), "" if none. Valid until
 * pamauth_close().
 */
const char	*pamauth_user(const struct pamauth *);

/*
 * Establishes credentials and, unless --pam-session none, opens a session (pam_setcred(3),
 * pam_open_session(3)). Call it after pamauth_check() and launch_join_groups(). On failure closes
 * everything.
 */
struct pamauth_result	pamauth_open(struct pamauth *, const struct options *);

/*
 * Returns the modules' environment (pam_getenvlist(3)): "NAME=VALUE" strings, NULL at the end;
 * or NULL.
 */
char	**pamauth_environment(const struct pamauth *);

/*
 * Closes session, credentials and transaction, as far as they are open (pam_close_session(3),
 * PAM_DELETE_CRED). Returns NULL, or the name of the first PAM code that was a failure; the
 * other steps are done nevertheless.
 */
const char	*pamauth_close(struct pamauth *);

/* Ends the transaction, but leaves session and credentials open for the mailbox program. */
void	pamauth_detach(struct pamauth *);

#endif
