#ifndef IMAPGATE_INHERITED_H
#define IMAPGATE_INHERITED_H

#include <signal.h>

/* How this process was found, to be left so to the mailbox program. */
struct inherited {
	sigset_t		mask;
	struct sigaction	pipe, file_size, child;
};

/* Puts signals into the state that our processes and PAM need, but for those that are to be blocked (NULL: none), and remembers how they were. */
void	inherited_take(struct inherited *, const sigset_t *blocked);

/* Puts them back. */
void	inherited_restore(const struct inherited *);

#endif
