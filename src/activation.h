#ifndef IMAPGATE_ACTIVATION_H
#define IMAPGATE_ACTIVATION_H

/*
 * A service manager's side of things: the sockets that it passes
 * (sd_listen_fds(3)), and what it is told of us (sd_notify(3)). Where there
 * is none, nothing is passed and nobody is told.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4, IPv6 and a path, for two services, and some to spare. */
#define ACTIVATION_MAX	32

struct activation_socket {
	int	fd;
	bool	imaps;		/* its name, or its port, says that TLS begins with the connection */
};

/*
 * Finds the listening sockets that were passed, and makes them close-on-exec.
 * Returns how many: 0 if there are none, which is no error. One connection
 * is taken as descriptors 0 and 1 instead. Dies at anything else.
 */
size_t	activation_take(struct activation_socket list[ACTIVATION_MAX]);

/*
 * Accepts a connection, close-on-exec, and says from where. Returns -1 with
 * errno if there is none; errno is 0 if it is the client that has gone again.
 */
int	activation_accept(const struct activation_socket *, struct sockaddr_storage *from);

/* Each how many milliseconds a sign of life is wanted, half of what the service manager waits; 0: none is. */
int	activation_watchdog(void);

/* Tells the service manager: lines of NAME=VALUE. */
void	activation_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
