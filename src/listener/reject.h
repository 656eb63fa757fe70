#ifndef IMAPGATE_REJECT_H
#define IMAPGATE_REJECT_H

/*
 * Rejecting connections that exceed a limit: a BYE for the client, and a rare line for the log.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "boundary/account.h"

/*
 * Sends BYE, unless TLS begins with the connection. Does not wait: a line that does not fit the
 * socket's buffer is lost.
 */
void	reject_send_bye(int fd, bool tls);

/*
 * Sends BYE as above, logs the rejection and closes the socket. Takes the client's network and
 * its address from accept(2). Logs one line a minute for each network, with the number of
 * rejections.
 */
void	reject_connection(int fd, bool tls, enum msg_limit, uint64_t network, const struct sockaddr_storage *from);

#endif
