#ifndef IMAPGATE_GATE_CONN_H
#define IMAPGATE_GATE_CONN_H

/*
 * Bytes to and from the client, over TCP, a Unix-domain socket or pipes, in
 * cleartext or TLS, with one deadline for everything. It never takes a byte
 * that nobody asked for: on sockets and under TLS it looks first and takes
 * what was used, on pipes it reads byte by byte.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As much as is looked at in one go: most commands, and half an OAuth token. */
#define CONN_PEEK_MAX	4096

/* How a wait or a transfer ended. */
enum conn_end {
	CONN_OK,
	CONN_CLOSED,		/* the client has gone, or broke the connection */
	CONN_TIMEOUT,		/* the deadline has passed */
	CONN_MONITOR_GONE,	/* the monitor has gone */
	CONN_SHUTDOWN,		/* it is there, and wants the connection to end: the service stops */
};

struct conn {
	int		 in, out;	/* the client; the same socket, or two pipes */
	bool		 in_socket, out_socket;
	int		 monitor;	/* watched while waiting; -1 for not any more */
	int64_t		 deadline;	/* clock_ms() */
	SSL		*ssl;		/* NULL in cleartext */
	bool		 tls_broken;	/* a fatal error: no close_notify is possible */
	unsigned	 tries;		/* waits in a row that poll(2) ended and that came to nothing (again.h) */
	size_t		 peeked;	/* octets in peek */
	char		 peek[CONN_PEEK_MAX];
};

/* Starts on these descriptors. */
void	conn_init(struct conn *, int in, int out, int monitor, int64_t deadline);

/* Waits for bytes and shows them, without taking them, in look and looked. */
enum conn_end	conn_peek(struct conn *);

/* Takes the first octets of what was shown, all or less. */
void	conn_consume(struct conn *, size_t octets);

/* Writes all of it, or fails. */
enum conn_end	conn_write(struct conn *, const char *bytes, size_t len);

/*
 * Makes a TLS connection of it, as the server: handshake until the deadline.
 * From here on everything goes through OpenSSL. After a failure other than
 * CONN_OK the error queue of OpenSSL may say more.
 */
enum conn_end	conn_start_tls(struct conn *, SSL_CTX *);

/*
 * Ends the connection: says close_notify if there is TLS, until the deadline
 * if the client is slow to take it, and that nothing more comes. Then waits a
 * moment for the client to close its side too, so that our last words arrive.
 */
void	conn_end(struct conn *);

/*
 * Reads and writes without waiting. They return octets, 0 at the end of the
 * stream (read only), -1 with errno EAGAIN where nothing can be done now, -1
 * with another errno if the connection is broken.
 */
ssize_t	conn_read_now(struct conn *, char *bytes, size_t len);
ssize_t	conn_write_now(struct conn *, const char *bytes, size_t len);

/* After EAGAIN: what poll(2) must tell before it is worth trying again: POLLIN of in, or POLLOUT of out. Always POLLIN in cleartext. */
short	conn_poll_events(const struct conn *);

#endif
