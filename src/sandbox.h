#ifndef IMAPGATE_GATE_SANDBOX_H
#define IMAPGATE_GATE_SANDBOX_H

/*
 * The way down of processes that strangers talk to, or that have a key, and
 * no way back. Afterwards such a process can talk on the descriptors that it
 * has, compute, and end; a zygote can fork, too.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "config/options.h"

/* The descriptors of a gate, and there are no others. 0 and 1 are the client, 2 leads nowhere. */
#define SANDBOX_MONITOR	3	/* the login pair (boundary/login.h) */
#define SANDBOX_SIGN	4	/* the signer's (boundary/sign.h); without a listener there is none */
/* Only where the superserver does TLS on request (peer.h): */
#define SANDBOX_CONTROL	5
#define SANDBOX_READ	6
#define SANDBOX_WRITE	7
#define SANDBOX_FDS	8	/* there is none from here on, but for the stream of a relay */

enum sandbox_kind {
	SANDBOX_GATE = 1,
	SANDBOX_ZYGOTE = 2,
	SANDBOX_SIGNER = 4,
};

struct sandbox {
	bool		 privileged;	/* started as root: there is a user to change to */
	uid_t		 uid;
	gid_t		 gid;
	const char	*root;		/* becomes the root directory; made if it is missing */
};

/* Finds --gate-user and --gate-root. Dies with die_status if there is no such user. */
void	sandbox_find(struct sandbox *, const struct options *);

/* Copies n descriptors to the places from SANDBOX_MONITOR on, -1: none is there. Dies if they can't be had. */
void	sandbox_descriptors(const int *fds, int n);

/* Closes all others. Call it when messages go by SANDBOX_MONITOR, so that a failure is heard. */
void	sandbox_close_others(void);

/*
 * Gives up, in this order: the file system, groups, group and user id,
 * resources, new privileges, system calls. Dies at the first step that
 * fails; without root, the steps that need it are left out. A gate that a
 * zygote has forked gives up the rest of what that had.
 */
void	sandbox_enter(const struct sandbox *, enum sandbox_kind);

#endif
