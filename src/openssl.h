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
 * The same, and takes what memory a TLS context wants from the kernel at
 * once: for a process that will make one, serve one connection and be gone.
 */
void	openssl_begin_tls(void);

#endif
