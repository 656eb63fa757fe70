#ifndef IMAPGATE_SIGNALS_H
#define IMAPGATE_SIGNALS_H

#include <signal.h>

/* Signal settings that this process was started with; the mailbox program gets them back. */
struct signals {
	sigset_t		mask;
	struct sigaction	pipe, file_size, child;
};

/*
 * Sets the signals as this program and PAM need them, and saves the old settings. Takes the
 * signals to block, NULL: none.
 */
void	signals_save(struct signals *, const sigset_t *blocked);

/* Restores the saved settings. */
void	signals_restore(const struct signals *);

#endif
