#ifndef IMAPGATE_GATE_CONN_H
#define IMAPGATE_GATE_CONN_H

/*
 * Octets to and from the client, over TCP, a Unix-domain socket or pipes, in cleartext or TLS,
 * with one deadline. Nothing is read ahead: on sockets and under TLS input is peeked at and then
 * consumed, pipes are read one octet at a time.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Largest number of octets that one peek returns: longer than most commands, half of the longest
 * OAuth token.
 */
#define CONN_PEEK_MAX	4096

/* Result of a wait or a transfer. */
enum conn_end {
	CONN_OK,
	CONN_CLOSED,		/* the client has closed or reset the connection, or broken TLS */
	CONN_TIMEOUT,		/* the deadline has passed */
	CONN_MONITOR_GONE,	/* the monitor has exited */
	CONN_SHUTDOWN,		/* the monitor has shut down its end: the service is stopping */
};

struct conn {
	int		 in, out;	/* the client: one socket twice, or two pipes */
	bool		 in_socket, out_socket;
	int		 monitor;	/* descriptor watched during waits; -1: none */
	int64_t		 deadline;	/* of every wait; clock_ms() */
	SSL		*ssl;		/* NULL in cleartext */
	bool		 tls_broken;	/* fatal TLS error: close_notify can't be sent */
	unsigned	 tries;		/* consecutive waits that poll(2) ended without progress (again.h) */
	size_t		 peeked;	/* octets in peek */
	char		 peek[CONN_PEEK_MAX];
};

/*
 * Initializes a connection in cleartext. Takes the client's descriptors, the monitor's (-1:
 * none) and a deadline (clock_ms()).
 */
void	conn_init(struct conn *, int in, int out, int monitor, int64_t deadline);

/*
 * Waits for input and puts it into peek and peeked without consuming it. Returns CONN_OK if
 * there is at least one octet.
 */
enum conn_end	conn_peek(struct conn *);

/* Consumes the first octets of peek, at most peeked. Wipes peek; the rest must be peeked again. */
void	conn_consume(struct conn *, size_t octets);

/* Writes all len octets. Returns CONN_OK, or the kind of failure. */
enum conn_end	conn_write(struct conn *, const char *bytes, size_t len);

/*
 * Does a TLS handshake as the server, until the deadline. All later I/O uses OpenSSL. After a
 * failure OpenSSL's error queue may hold the cause. Dies if there is no memory.
 */
enum conn_end	conn_start_tls(struct conn *, SSL_CTX *);

/*
 * Ends the connection: sends close_notify under TLS, waiting until the deadline at most. On a
 * socket then shuts down the sending side and waits up to two seconds for the client to close,
 * so that the last reply is not lost.
 */
void	conn_end(struct conn *);

/*
 * Reads or writes without waiting. Returns the number of octets, 0 at the end of the stream
 * (read only), or -1: errno EAGAIN if nothing can be done now, another errno if the connection
 * is broken.
 */
ssize_t	conn_read_now(struct conn *, char *bytes, size_t len);
ssize_t	conn_write_now(struct conn *, const char *bytes, size_t len);

/*
 * Returns the event that poll(2) must wait for after EAGAIN: POLLIN on in, or POLLOUT on out;
 * always POLLIN in cleartext.
 */
short	conn_poll_events(const struct conn *);

#endif
