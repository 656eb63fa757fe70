#ifndef IMAPGATE_FILEID_H
#define IMAPGATE_FILEID_H

/*
 * What tells a file from the one that was there before (inode(7)), whether it
 * was renewed by rename(2) or by writing. Two writings that leave the size as
 * it was and fall into one tick of the kernel's clock are not told apart.
 */

#include <sys/types.h>
#include <time.h>

#include "config/options.h"

struct fileid {
	dev_t		dev;
	ino_t		ino;
	off_t		size;
	struct timespec	changed;
};

/* Gets the identity of the file that is at this path now: all zeros if nothing is. */
void	fileid_get(struct fileid *, const char *path);

/* The same of all certificates and keys of the options, in their order. */
void	fileid_get_all(struct fileid fileids[2 * OPTIONS_CERTS], const struct options *);

#endif
