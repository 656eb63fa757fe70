#ifndef IMAPGATE_OPENSSL_H
#define IMAPGATE_OPENSSL_H

/*
 * Loads and initializes OpenSSL at the first call in a process. Dies if it can't be loaded. Call
 * it before any function of OpenSSL: settings can't be changed later. A forked child inherits it
 * and may call it.
 */
void	openssl_begin(void);

/*
 * Reseeds OpenSSL's random generators after a fork, since another process has a copy of their
 * state. The parent calls it before it makes anything secret, the child before its TLS handshake.
 * Dies on failure.
 */
void	openssl_reseed(void);

#endif
