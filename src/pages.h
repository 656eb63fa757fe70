#ifndef IMAPGATE_PAGES_H
#define IMAPGATE_PAGES_H

/*
 * Memory taken before it is touched. A fork copies no memory but page by page
 * as it is written to, each with a fault of its own, which costs several times
 * what the copy does. Where it is known what will be written, one system
 * call does it all. Kernels that can't (before Linux 5.14) lose nothing else.
 */

#include <stddef.h>
#include <sys/uio.h>

/* What a handshake writes to are some 25 pieces. */
#define PAGES_RANGES	64

struct pages {
	size_t		n;			/* ranges; 0: nothing is known */
	struct iovec	range[PAGES_RANGES];	/* whole pages */
};

/*
 * For a child that has done what others are to do: the pages that it does not
 * share with its parent any more, since it has written to them (proc(5),
 * pagemap). More ranges than there is room for are left out; without /proc
 * there are none.
 */
void	pages_find_written(struct pages *);

/* For the others: makes them this process's own. What is not mapped here is left alone. */
void	pages_take(const struct pages *);

/* The same for the pages that lie wholly in these octets. */
void	pages_take_range(void *at, size_t size);

#endif
