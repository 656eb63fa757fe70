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
#define SANDBOX_FDS	5

struct sandbox {
	bool		 privileged;	/* started as root: there is an identity to change to */
	uid_t		 uid;
	gid_t		 gid;
	const char	*root;		/* becomes the root directory; made if it is missing */
};

/* Puts the descriptors of a gate into their places, and closes all others. */
void	sandbox_descriptors(int monitor_fd, int mailbox_fd);

/*
 * Gives up, in this order: the file system, groups, group and user id,
 * resources, new privileges, system calls. Dies at the first step that
 * fails; without root, the steps that need it are left out.
 */
void	sandbox_enter(const struct sandbox *);

#endif
