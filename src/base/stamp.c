/*
 * Stamps of files, see stamp.h. Used by the listener, which looks at what it
 * has read once a second.
 */

#include "base/stamp.h"

#include <string.h>
#include <sys/stat.h>

void
stamp_take(struct stamp *s, const char *path)
{
	struct stat st;

	/* Stamps are compared as memory. */
	memset(s, 0, sizeof(*s));
	if (stat(path, &st) == 0)
		*s = (struct stamp){ st.st_dev, st.st_ino, st.st_size, st.st_ctim };
}

void
stamp_all(struct stamp stamps[2 * OPTIONS_CERTS], const struct options *o)
{
	size_t i;

	for (i = 0; i < o->certs; i++) {
		stamp_take(&stamps[2 * i], o->cert[i]);
		stamp_take(&stamps[2 * i + 1], o->key[i]);
	}
}
