#ifndef IMAPGATE_MONITOR_ACCOUNT_H
#define IMAPGATE_MONITOR_ACCOUNT_H

/* Whom a name stands for, and what of it may be written into arguments and variables. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "boundary/msg.h"
#include "config/options.h"

/* Reasons of account_find: the user database does not know the name, or could not be asked (errno says why). */
#define ACCOUNT_UNKNOWN	"unknown-account"
#define ACCOUNT_NO_DIRECTORY	"no-directory"
/* The name can't be a user's, or has no part that --home, --setenv or an argument wants. */
#define ACCOUNT_BAD_NAME	"bad-user-name"

/* Tests for one of these two: after a yes of PAM that is this host's fault. */
bool	account_is_missing(const char *reason);

struct account {
	char	name[MSG_NAME_MAX];	/* as PAM ended with it */
	char	owner[MSG_NAME_MAX];	/* whose uid and groups: the same, or --run-as */
	uid_t	uid;
	gid_t	gid;
	char	home[PATH_MAX];		/* empty if --home can't be expanded */
	char	shell[PATH_MAX];
};

/*
 * Looks the name up (getpwnam(3)), or --run-as in its place. Returns NULL,
 * or the reason in a word why this account may not log in: "unknown-account" if
 * there is none, "uid" if it is root, below --min-uid, or not the uid that
 * we run with when that is not root (then the uid is set, and no more);
 * ACCOUNT_BAD_NAME if it is none for --home.
 */
const char	*account_find(struct account *, const struct options *, const char *name);

/*
 * Copies a template with %u %n %d %h %% replaced: user, the part before its
 * first "@", the part behind it, home. False if it does not fit, or holds
 * another "%".
 */
bool	account_expand(const struct account *, const char *template, char *dst, size_t size);

#endif
