#ifndef IMAPGATE_OPENFILES_H
#define IMAPGATE_OPENFILES_H

/*
 * How many open files a listener may have. Service managers start it with a soft limit of 1024, as
 * for programs that use select(2), and a far higher hard limit. The programs that a listener starts
 * get the soft limit as it was found.
 */

/*
 * Raises the soft limit to the hard one and keeps the former in the environment, where the next
 * program finds it when the listener re-executes itself. Without effect if that is not possible.
 */
void	openfiles_raise(void);

/* Sets the soft limit back. Call before execve(2); without effect if openfiles_raise() had none. */
void	openfiles_restore(void);

#endif
