#ifndef IMAPGATE_MONITOR_ACCOUNT_H
#define IMAPGATE_MONITOR_ACCOUNT_H

/*
 * Accounts: the user for a login name, and the parts of the name that may be put into arguments
 * and variables.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "boundary/msg.h"
#include "config/options.h"

/* Reasons of account_find(): the user database does not know the name, or failed (errno). */
#define ACCOUNT_UNKNOWN	"unknown-account"
#define ACCOUNT_NO_DIRECTORY	"no-directory"
/* The name is not a user name, or lacks a part that --home, --setenv or an argument uses. */
#define ACCOUNT_BAD_NAME	"bad-user-name"

/*
 * Returns whether the reason is ACCOUNT_UNKNOWN or ACCOUNT_NO_DIRECTORY, which after PAM's
 * success are faults of this host.
 */
bool	account_is_missing(const char *reason);

struct account {
	char	name[MSG_NAME_MAX];	/* user name, as PAM left it */
	char	owner[MSG_NAME_MAX];	/* user with the uid and the groups: name, or --run-as */
	uid_t	uid;
	gid_t	gid;
	char	home[PATH_MAX];		/* empty if --home can't be expanded */
	char	shell[PATH_MAX];
};

/*
 * Looks up the name, or --run-as instead (getpwnam(3)), and fills the account. Returns NULL, or
 * the reason why this account may not log in: ACCOUNT_UNKNOWN, ACCOUNT_NO_DIRECTORY,
 * ACCOUNT_BAD_NAME, or "uid" if the uid is 0, below --min-uid, or not this process's own without
 * root; then only uid is set.
 */
const char	*account_find(struct account *, const struct options *, const char *name);

/*
 * Copies a template to dst and replaces %u (name), %n (the part before the first "@"), %d (the
 * part after it), %h (home) and %%. Returns false if the result does not fit into size octets or
 * the template has another "%".
 */
bool	account_expand(const struct account *, const char *template, char *dst, size_t size);

#endif
