#ifndef IMAPGATE_ACTIVATION_H
#define IMAPGATE_ACTIVATION_H

/*
 * A service manager's side of things: the sockets that it passes
 * (sd_listen_fds(3)), and what it is told of us (sd_notify(3)). Without one
 * nothing is told; the one socket may then be standard input, as from inetd's
 * "wait" and s6-tcpserver-socketbinder.
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
	bool	misses_tls;	/* clients begin with TLS there, and it is served without */
	unsigned port;		/* 0: no TCP socket */
	int	standard;	/* how many of the descriptors 0 to 2 it was found on; 0: the service manager passed it */
};

/*
 * Finds the listening sockets that were passed, or the one that is descriptor
 * 0, and makes them close-on-exec. Returns how many: 0 if there are none, which
 * is no error. One connection is taken as descriptors 0 and 1 instead. Dies at
 * anything else. Descriptors 0 to 2 lead nowhere afterwards where they were a
 * listening socket: only the list keeps it open.
 */
size_t	activation_take(struct activation_socket list[ACTIVATION_MAX]);

/*
 * Puts the sockets where activation_take() found them, for the program that
 * this process executes to find them again. Dies if that can't be done.
 */
void	activation_keep_on_exec(const struct activation_socket *, size_t n);

/* Undoes activation_keep_on_exec(), where execve(2) has failed. */
void	activation_restore(const struct activation_socket *, size_t n);

/*
 * Accepts a connection, close-on-exec, and says from where. Returns -1 with
 * errno if there is none; errno is 0 if it is the client that has gone again.
 */
int	activation_accept(const struct activation_socket *, struct sockaddr_storage *from);

/*
 * Do clients begin with TLS on this TCP port, as far as its number tells?
 * 993, and ports that are numbered after it: 1993, 10993.
 */
bool	activation_is_tls_port(unsigned port);

/* Each how many milliseconds a sign of life is wanted, half of what the service manager waits; 0: none is. */
int	activation_watchdog(void);

/* Tells the service manager: lines of NAME=VALUE. */
void	activation_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
