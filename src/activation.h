#ifndef IMAPGATE_ACTIVATION_H
#define IMAPGATE_ACTIVATION_H

/*
 * The interface to a service manager: passed sockets (sd_listen_fds(3)) and notifications
 * (sd_notify(3)). Without one, standard input may be the listening socket, as from inetd's "wait"
 * and s6-tcpserver-socketbinder.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4, IPv6 and a path for two services, with room for more. */
#define ACTIVATION_MAX	32

struct activation_socket {
	int	fd;
	bool	imaps;		/* implicit TLS (RFC 8314), by name or port */
	bool	misses_tls;	/* clients use implicit TLS, but it is served without */
	unsigned port;		/* 0: no TCP socket */
	/* Number of descriptors from 0 that were this socket; 0: passed by the service manager. */
	int	standard;
};

/*
 * Finds the listening sockets that were passed, or the one on descriptor 0, and makes them
 * close-on-exec. Returns their number. Returns 0 if there are none; a single passed connection is
 * moved to descriptors 0 and 1. Dies if anything else was passed. Descriptors 0 to 2 that were a
 * listening socket become /dev/null.
 */
size_t	activation_take(struct activation_socket list[ACTIVATION_MAX]);

/*
 * Puts the sockets back to where activation_take() has found them, for the program that this
 * process executes. Dies on failure.
 */
void	activation_keep_on_exec(const struct activation_socket *, size_t n);

/* Undoes activation_keep_on_exec() after execve(2) has failed. */
void	activation_restore(const struct activation_socket *, size_t n);

/*
 * Accepts a connection, close-on-exec, and stores the client's address. Returns -1 with errno on
 * failure; errno 0: no connection, or its client has gone.
 */
int	activation_accept(const struct activation_socket *, struct sockaddr_storage *from);

/*
 * Returns whether clients use implicit TLS (RFC 8314) on a TCP port, by its number: 993, and ports
 * made from it: 1993, 10993.
 */
bool	activation_is_tls_port(unsigned port);

/* Returns the interval of WATCHDOG=1 in milliseconds, half of WatchdogSec=; 0: no watchdog. */
int	activation_watchdog(void);

/* Sends lines of NAME=VALUE to the service manager, if there is one. */
void	activation_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
