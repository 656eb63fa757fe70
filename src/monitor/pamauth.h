#ifndef IMAPGATE_MONITOR_PAMAUTH_H
#define IMAPGATE_MONITOR_PAMAUTH_H

/*
 * PAM (pam(3)): one conversation for each attempt, in the monitor. What the
 * modules say never breaks a login; what they ask is answered only if it is
 * the password, once, or the user's name.
 */

#include <limits.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stddef.h>

#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"

struct pamauth {
	pam_handle_t	*handle;		/* NULL: nothing is open */
	char		 user[MSG_NAME_MAX];	/* the answer to a prompt with echo */
	const char	*secret;		/* the answer to the first one without, while an attempt lasts */
	bool		 answered;		/* the secret has been given */
	bool		 judged;		/* pam_authenticate was asked about a secret */
	bool		 authenticated;		/* and has said yes, or none was needed */
	bool		 second_prompt;		/* a module wanted one more */
	bool		 credentials;		/* pam_setcred has established them */
	bool		 session;		/* pam_open_session has succeeded */
	char		 text[MSG_TEXT_MAX];	/* what modules want the user to read, cleaned */
};

/* What came of a step: the reason is a word for the log, such as a PAM code's name. */
struct pamauth_verdict {
	enum msg_outcome	 outcome;
	const char		*reason;
	bool			 repeated;	/* PAM was not asked: the attempt before was the same */
	/* More for the log; NULL where there is none. */
	const char		*step;		/* whose code the reason is: PAM's "start", "authenticate", "account", "credentials", "session" */
	const char		*text;		/* what modules wanted the user to read; as long as struct pamauth is not used again */
	const char		*path;		/* the file that is in the way */
	const char		*error;		/* the system's words */
};

/*
 * Asks a PAM service whether this is the user's secret (pam_authenticate(3))
 * and whether the account may be used (pam_acct_mgmt(3)). User may be "" if
 * the secret says who it is; secret is NULL if the user is known already. On
 * success the handle stays open for the functions below; on failure all is
 * closed again.
 */
struct pamauth_verdict	pamauth_check(struct pamauth *, const struct options *, const struct peer *, const char *service,
    const char *user, const char *secret);

/*
 * Where PAM looks for the file of a service, or of what one includes: in
 * confdir or, without one (NULL), in the system's directories. The places
 * count from 0, the first of them that has the file counts; false if there
 * are not so many.
 */
bool	pamauth_service_path(const char *confdir, const char *service, size_t, char path[PATH_MAX]);

/* Finds that file where --pam-confdir says. False if there is none that can be read. */
bool	pamauth_find_service(const struct options *, const char *service, char path[PATH_MAX]);

/* The user whom the modules have made of it (PAM_USER). Valid until pamauth_close. */
const char	*pamauth_user(const struct pamauth *);

/*
 * Establishes credentials and, unless --pam-session none, opens a session
 * (pam_setcred(3), pam_open_session(3)). The user's groups must be set
 * already. On failure everything is closed again.
 */
struct pamauth_verdict	pamauth_open(struct pamauth *, const struct options *);

/* What modules have put into the environment (pam_getenvlist(3)): "NAME=VALUE" strings, NULL at the end, or NULL. */
char	**pamauth_environment(const struct pamauth *);

/*
 * Closes what is open, session and credentials too (pam_close_session(3),
 * PAM_DELETE_CRED). Nothing happens if nothing is. Returns NULL, or in a word
 * for the log what the first step that failed has returned; the others are
 * done all the same.
 */
const char	*pamauth_close(struct pamauth *);

/* Lets go of PAM, but leaves session and credentials to the mailbox program. */
void	pamauth_detach(struct pamauth *);

#endif
