#ifndef IMAPGATE_SIGNALS_H
#define IMAPGATE_SIGNALS_H

#include <signal.h>

/* How this process was found, to be left so to the mailbox program. */
struct signals {
	sigset_t		mask;
	struct sigaction	pipe, file_size, child;
};

/* Puts signals into the state that our processes and PAM need, but for those that are to be blocked (NULL: none), and remembers how they were. */
void	signals_save(struct signals *, const sigset_t *blocked);

/* Puts them back. */
void	signals_restore(const struct signals *);

#endif
