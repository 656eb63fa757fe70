#ifndef IMAPGATE_REJECT_H
#define IMAPGATE_REJECT_H

/* Connections that there is no room for: the client is told in a word, the administrator in a line now and then. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "boundary/account.h"

/* Says BYE, unless TLS begins with the connection. Nothing is waited for: what does not fit the socket's buffer is not said. */
void	reject_send_bye(int fd, bool tls);

/*
 * The same for a connection that was just accepted, from this address, and is closed. A network
 * whose clients are refused again and again gets one line a minute, which
 * says how many it stands for.
 */
void	reject_connection(int fd, bool tls, enum msg_limit, uint64_t network, const struct sockaddr_storage *from);

#endif
