/*
 * Identities of files, see fileid.h. Run by the listener for certificates and keys, and by the
 * monitor zygote for PAM's modules, as root. The files are not opened here.
 */

#include "base/fileid.h"

#include <string.h>
#include <sys/stat.h>

void
fileid_get(struct fileid *s, const char *path)
{
	struct stat st;

	/* Identities are compared by memcmp(3), so padding must be zero. */
	memset(s, 0, sizeof(*s));
	if (stat(path, &st) == 0)
		*s = (struct fileid){ st.st_dev, st.st_ino, st.st_size, st.st_ctim };
}

void
fileid_get_all(struct fileid fileids[2 * OPTIONS_CERTS_MAX], const struct options *o)
{
	size_t i;

	for (i = 0; i < o->n_cert; i++) {
		fileid_get(&fileids[2 * i], o->cert[i]);
		fileid_get(&fileids[2 * i + 1], o->key[i]);
	}
}
