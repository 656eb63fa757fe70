#ifndef IMAPGATE_GATE_SANDBOX_H
#define IMAPGATE_GATE_SANDBOX_H

/*
 * The gate's way down: one function, and no way back. Afterwards this process
 * can talk on the descriptors that it has, compute, and end.
 */

#include <stdbool.h>
#include <sys/types.h>

/* The descriptors of a gate, and there are no others. 0 and 1 are the client, 2 leads nowhere. */
#define SANDBOX_MONITOR	3	/* the pair of msg.h */
#define SANDBOX_MAILBOX	4	/* the stream to the mailbox program, if there will be a relay */
/* Only where the superserver does TLS on request (peer.h): */
#define SANDBOX_CONTROL	5
#define SANDBOX_READ	6
#define SANDBOX_WRITE	7
#define SANDBOX_FDS	8	/* there is none from here on */

struct sandbox {
	bool		 privileged;	/* started as root: there is an identity to change to */
	uid_t		 uid;
	gid_t		 gid;
	const char	*root;		/* becomes the root directory; made if it is missing */
};

/* Copies n descriptors to the places from SANDBOX_MONITOR on. Dies if they can't be had. */
void	sandbox_descriptors(const int *fds, int n);

/* Closes all others. Call it when messages go by SANDBOX_MONITOR, so that a failure is heard. */
void	sandbox_close_others(void);

/*
 * Gives up, in this order: the file system, groups, group and user id,
 * resources, new privileges, system calls. Dies at the first step that
 * fails; without root, the steps that need it are left out.
 */
void	sandbox_enter(const struct sandbox *);

#endif
