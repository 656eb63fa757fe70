#ifndef IMAPGATE_LISTENERTLS_H
#define IMAPGATE_LISTENERTLS_H

/*
 * The listener's TLS: certificates are parsed, OpenSSL is warm and a key
 * holder has the keys before there is a client. When the files change, all of
 * it is made anew, and put in place if it works.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "connection.h"
#include "options.h"

/*
 * Makes the setup's TLS and key holder ready, if there are certificates. The
 * key holder closes the descriptors from first to last: the sockets. Dies
 * with EX_CONFIG if no certificate works.
 */
void	listenertls_start(struct connection_setup *, const struct options *, int first, int last);

/* Looks whether the files are others now. New ones that do not work are logged, and the old ones stay. True if something was made anew. */
bool	listenertls_refresh(struct connection_setup *);

/* A child has ended: if it was the key holder there has to be a new one. False if it was not. */
bool	listenertls_ended(struct connection_setup *, pid_t);

#endif
