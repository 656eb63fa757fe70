#ifndef IMAPGATE_FILEID_H
#define IMAPGATE_FILEID_H

/*
 * Identity of a file's contents (inode(7)): changes with rename(2) and with writing. Two writes
 * that keep the size, within one tick of the kernel's clock, look the same.
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

/* Gets the identity of the file at a path; all zeros if there is none. */
void	fileid_get(struct fileid *, const char *path);

/*
 * Gets the identities of all certificates and keys, in the order of the options: certificate 0,
 * key 0, certificate 1 and so on.
 */
void	fileid_get_all(struct fileid fileids[2 * OPTIONS_CERTS_MAX], const struct options *);

#endif
