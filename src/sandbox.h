#ifndef IMAPGATE_SANDBOX_H
#define IMAPGATE_SANDBOX_H

/*
 * The sandbox of processes that strangers talk to, or that have a private key. Afterwards such a
 * process can use its descriptors, compute and exit; a zygote can also fork. There is no way
 * back.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "config/options.h"

/* All descriptors of a gate. 0 and 1 are the client, 2 is /dev/null. */
#define SANDBOX_MONITOR	3	/* the login pair (boundary/login.h) */
#define SANDBOX_SIGN	4	/* the signer's pair (boundary/sign.h); none without a listener */
/* Only with UCSPI-TLS (peer.h): */
#define SANDBOX_CONTROL	5
#define SANDBOX_READ	6
#define SANDBOX_WRITE	7
#define SANDBOX_FIRST_FREE	8	/* the first that is free; a relay's stream gets it */

enum sandbox_kind {
	SANDBOX_GATE = 1,
	SANDBOX_ZYGOTE = 2,
	SANDBOX_SIGNER = 4,
};

struct sandbox {
	bool		 privileged;	/* started as root, so uid, gid and root apply */
	uid_t		 uid;
	gid_t		 gid;
	const char	*root;		/* the new root directory */
};

/*
 * Finds --gate-user and --gate-root. Dies with die_status if there is no such user, or if it is
 * root.
 */
void	sandbox_find(struct sandbox *, const struct options *);

/*
 * Copies n descriptors to the numbers from SANDBOX_MONITOR on; for -1 closes the number. Dies on
 * failure.
 */
void	sandbox_descriptors(const int *fds, int n);

/* Closes all other descriptors. Dies on failure, so call it when die() can send messages. */
void	sandbox_close_others(void);

/*
 * Gives up, in this order: file system, groups, group and user id, resources, new privileges,
 * system calls. Dies at the first step that fails. Without root the steps that need it are left
 * out. A gate of a zygote gives up what the zygote has kept.
 */
void	sandbox_enter(const struct sandbox *, enum sandbox_kind);

#endif
