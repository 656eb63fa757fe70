#ifndef IMAPGATE_MONITOR_ENVIRONMENT_H
#define IMAPGATE_MONITOR_ENVIRONMENT_H

/* The mailbox program's environment, which is built from nothing (see the manual, ENVIRONMENT). */

#include "base/peer.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "monitor/account.h"

#define ENVIRONMENT_VARIABLES_MAX	128
#define ENVIRONMENT_SIZE	(32 * 1024)

struct environment {
	char	*vars[ENVIRONMENT_VARIABLES_MAX + 1];	/* for execve(2), NULL at the end */
	size_t	 n;
	size_t	 used;
	size_t	 dropped;			/* number of PAM's variables that did not fit */
	char	 first_dropped[64];		/* name of the first of them, cut */
	char	 store[ENVIRONMENT_SIZE];
};

/* Sources of the variables. */
struct environment_facts {
	const struct options	*opts;
	const struct peer	*peer;
	const struct account	*account;
	const struct msg_tls	*tls;		/* protocol is empty without TLS */
	const char		*tag;		/* empty after PREAUTH */
	const char		*command;	/* "LOGIN" or "AUTHENTICATE" */
	char			**pam;		/* "NAME=VALUE" from PAM, or NULL */
};

/*
 * Fills the environment. PAM's variables must not change how programs are loaded; neither they
 * nor --setenv replace the user's identity. PAM's come last: those that do not fit are left out
 * and counted. Returns false if the others do not fit, or a --setenv has an unknown "%".
 */
bool	environment_build(struct environment *, const struct environment_facts *);

#endif
