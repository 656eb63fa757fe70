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
 * Seeds OpenSSL's random numbers anew in a process that shares their state
 * with another one since a fork. To be called by the parent before it makes
 * anything secret, and by the child before its TLS handshake. Dies if it
 * can't be done.
 */
void	openssl_forked(void);

#endif
