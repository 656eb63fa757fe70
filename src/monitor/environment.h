#ifndef IMAPGATE_MONITOR_ENVIRONMENT_H
#define IMAPGATE_MONITOR_ENVIRONMENT_H

/* The environment of the mailbox program, built from nothing (see the manual, ENVIRONMENT). */

#include "monitor/account.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"

#define ENVIRONMENT_VARIABLES	128
#define ENVIRONMENT_SIZE	(32 * 1024)

struct environment {
	char	*vars[ENVIRONMENT_VARIABLES + 1];	/* for execve(2); NULL at the end */
	size_t	 n;
	size_t	 used;
	size_t	 dropped;			/* variables of PAM that there was no room for */
	char	 first_dropped[64];		/* the name of the first one, cut */
	char	 store[ENVIRONMENT_SIZE];
};

/* All that the variables are made of. */
struct environment_facts {
	const struct options	*opts;
	const struct peer	*peer;
	const struct account	*account;
	const struct msg_tls	*tls;		/* protocol is empty without TLS */
	const char		*tag;		/* empty after preauthentication */
	const char		*command;	/* "LOGIN" or "AUTHENTICATE" */
	char			**pam;		/* "NAME=VALUE" from PAM, or NULL */
};

/*
 * Fills the environment. PAM's variables may not change how programs are
 * loaded, nor may they or --setenv replace who the user is. PAM's come last,
 * and those that do not fit are left out and counted. False if the others do
 * not fit, or if a --setenv has an unknown "%".
 */
bool	environment_build(struct environment *, const struct environment_facts *);

#endif
