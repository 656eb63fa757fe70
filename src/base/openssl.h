#ifndef IMAPGATE_OPENSSL_H
#define IMAPGATE_OPENSSL_H

/*
 * Loads OpenSSL and begins it in this process, the first time that it is
 * called; dies if it can't be loaded. Whoever is the first to use OpenSSL for
 * something calls it before, since what it sets can't be set later, and there
 * is nothing to call yet. A process that is forked from one where it has begun
 * need not begin again, but may.
 */
void	openssl_begin(void);

/*
 * For the parent, after a fork: the child knows all that random numbers would
 * be made from here, so they are made from something new. A child needs
 * nothing of the kind, OpenSSL sees it by the pid. Dies if it can't be done.
 */
void	openssl_forked(void);

#endif
