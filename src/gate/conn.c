/*
 * The client's connection, see conn.h. Run by the gate in its sandbox; reads from the network.
 *
 * Descriptors may be shared with other processes, so O_NONBLOCK is never set: sockets are used
 * with MSG_DONTWAIT, and pipes are polled first. A custom BIO connects OpenSSL to the same
 * raw_read() and raw_write().
 */

#include "gate/conn.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/again.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/peer.h"

/* Time for the client to close its side after the last reply. */
#define CONN_LINGER_MS	2000

void
conn_init(struct conn *c, int in, int out, int monitor, int64_t deadline)
{
	c->in = in;
	c->out = out;
	c->in_socket = peer_is_socket(c->in);
	c->out_socket = peer_is_socket(c->out);
	c->monitor = monitor;
	c->deadline = deadline;
	c->ssl = NULL;
	c->tls_broken = false;
	c->tries = 0;
	c->peeked = 0;
}

static bool
is_ready(int fd, short events)
{
	struct pollfd pfd = { fd, events, 0 };

	return poll(&pfd, 1, 0) == 1;
}

/* Resets the count of waits without progress unless n is -1, a failed transfer. Returns n. */
static ssize_t
note_progress(struct conn *c, ssize_t n)
{
	if (n >= 0)
		c->tries = 0;
	return n;
}

static ssize_t
raw_read(struct conn *c, char *bytes, size_t len, int flags)
{
	if (c->in_socket)
		return note_progress(c, recv(c->in, bytes, len, MSG_DONTWAIT | flags));
	if (!is_ready(c->in, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	return note_progress(c, read(c->in, bytes, len));
}

static ssize_t
raw_write(struct conn *c, const char *bytes, size_t len)
{
	if (c->out_socket)
		return note_progress(c, send(c->out, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (!is_ready(c->out, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	/* A pipe that polls writable takes PIPE_BUF octets without blocking (pipe(7)). */
	return note_progress(c, write(c->out, bytes, len < PIPE_BUF ? len : PIPE_BUF));
}

/* The BIO through which OpenSSL calls raw_read() and raw_write() (BIO_meth_new(3)). */

static int
bio_result(BIO *bio, ssize_t n, void (*retry)(BIO *))
{
	BIO_clear_retry_flags(bio);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		retry(bio);
	return (int)n;
}

static void
retry_read(BIO *bio)
{
	BIO_set_retry_read(bio);
}

static void
retry_write(BIO *bio)
{
	BIO_set_retry_write(bio);
}

static int
bio_read(BIO *bio, char *bytes, int len)
{
	return bio_result(bio, raw_read(BIO_get_data(bio), bytes, (size_t)len, 0), retry_read);
}

static int
bio_write(BIO *bio, const char *bytes, int len)
{
	return bio_result(bio, raw_write(BIO_get_data(bio), bytes, (size_t)len), retry_write);
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *
new_bio(struct conn *c)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
	BIO *bio;

	if (method == NULL)
		return NULL;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	/* Never freed: a process has one TLS connection. */
	bio = BIO_new(method);
	if (bio != NULL) {
		BIO_set_data(bio, c);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/*
 * Waits until one direction is ready, the deadline passes, or the monitor exits or shuts down its
 * end. Every retry loop calls it, so none outlives the deadline.
 */
static enum conn_end
conn_await(struct conn *c, short events)
{
	struct pollfd pfd[2] = {
		{ events == POLLIN ? c->in : c->out, events, 0 },
		{ c->monitor, POLLRDHUP, 0 },	/* watched for its end only; poll(2) ignores -1 */
	};
	int n, left;

	do {
		left = clock_left(c->deadline);
		if (left == 0)
			return CONN_TIMEOUT;
		n = poll(pfd, 2, left);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		die("poll");
	if (n == 0)
		return CONN_TIMEOUT;
	if (pfd[0].revents != 0)
		return again(&c->tries) ? CONN_OK : CONN_TIMEOUT;
	return pfd[1].revents == POLLRDHUP ? CONN_SHUTDOWN : CONN_MONITOR_GONE;
}

/* Converts the result n of an OpenSSL call to a result of read(2) or write(2), with errno. */
static ssize_t
tls_result(struct conn *c, int n)
{
	if (n > 0)
		return n;
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		c->tls_broken = true;
		errno = EPROTO;
		return -1;
	}
}

short
conn_poll_events(const struct conn *c)
{
	return c->ssl != NULL && SSL_want_write(c->ssl) ? POLLOUT : POLLIN;
}

ssize_t
conn_read_now(struct conn *c, char *bytes, size_t len)
{
	if (c->ssl == NULL)
		return raw_read(c, bytes, len, 0);
	ERR_clear_error();
	return tls_result(c, SSL_read(c->ssl, bytes, len < INT_MAX ? (int)len : INT_MAX));
}

ssize_t
conn_write_now(struct conn *c, const char *bytes, size_t len)
{
	if (c->ssl == NULL)
		return raw_write(c, bytes, len);
	ERR_clear_error();
	return tls_result(c, SSL_write(c->ssl, bytes, len < INT_MAX ? (int)len : INT_MAX));
}

static ssize_t
peek_now(struct conn *c)
{
	if (c->ssl != NULL) {
		ERR_clear_error();
		return tls_result(c, SSL_peek(c->ssl, c->peek, sizeof(c->peek)));
	}
	if (c->in_socket)
		return raw_read(c, c->peek, sizeof(c->peek), MSG_PEEK);
	return raw_read(c, c->peek, 1, 0);
}

enum conn_end
conn_peek(struct conn *c)
{
	enum conn_end end;
	ssize_t n;

	/* The octet of a pipe has been read already and stays in peek until it is consumed. */
	if (c->peeked > 0)
		return CONN_OK;
	for (;;) {
		if (clock_left(c->deadline) == 0)
			return CONN_TIMEOUT;
		n = peek_now(c);
		if (n > 0)
			break;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return CONN_CLOSED;
		end = conn_await(c, conn_poll_events(c));
		if (end != CONN_OK)
			return end;
	}
	c->peeked = (size_t)n;
	return CONN_OK;
}

void
conn_consume(struct conn *c, size_t octets)
{
	ssize_t n = (ssize_t)octets;

	if (octets == 0)
		return;
	if (octets > c->peeked)
		bug("can't consume %zu octets of %zu", octets, c->peeked);
	if ((c->ssl != NULL || c->in_socket))
		n = conn_read_now(c, c->peek, octets);
	if (n != (ssize_t)octets)
		bug("consumed %zd octets, not %zu", n, octets);
	explicit_bzero(c->peek, c->peeked);
	c->peeked = 0;
}

enum conn_end
conn_write(struct conn *c, const char *bytes, size_t len)
{
	enum conn_end end;
	ssize_t n;

	while (len > 0) {
		n = conn_write_now(c, bytes, len);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return CONN_CLOSED;
		end = conn_await(c, c->ssl != NULL && conn_poll_events(c) == POLLIN ? POLLIN : POLLOUT);
		if (end != CONN_OK)
			return end;
	}
	return CONN_OK;
}

enum conn_end
conn_start_tls(struct conn *c, SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);
	BIO *bio = new_bio(c);
	enum conn_end end;
	int n;

	if (ssl == NULL || bio == NULL)
		die("TLS: out of memory");
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	c->ssl = ssl;
	for (;;) {
		ERR_clear_error();
		n = SSL_do_handshake(ssl);
		if (n == 1)
			return CONN_OK;
		if (tls_result(c, n) == 0 || errno != EAGAIN)
			return CONN_CLOSED;
		end = conn_await(c, conn_poll_events(c));
		if (end != CONN_OK)
			return end;
	}
}

static void
send_close_notify(struct conn *c)
{
	int n;

	/* SSL_shutdown(3) must not be called during a handshake or after a fatal error. */
	if (c->ssl == NULL || c->tls_broken || SSL_in_init(c->ssl))
		return;
	/*
	 * SSL_want_write() stays true after EPIPE; only SSL_get_error() shows whether a retry
	 * makes sense.
	 */
	do {
		ERR_clear_error();
		n = SSL_shutdown(c->ssl);
	} while (n < 0 && SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE && conn_await(c, POLLOUT) == CONN_OK);
}

void
conn_end(struct conn *c)
{
	struct pollfd pfd = { c->in, POLLIN, 0 };
	int64_t until;

	c->monitor = -1;
	send_close_notify(c);
	until = clock_ms() + CONN_LINGER_MS;
	if (!c->in_socket)
		return;
	/*
	 * Closing a TCP socket with unread input sends a reset, which can destroy the last reply
	 * on its way.
	 */
	shutdown(c->out, SHUT_WR);
	while (clock_left(until) > 0 && poll(&pfd, 1, clock_left(until)) == 1)
		if (recv(c->in, c->peek, sizeof(c->peek), MSG_DONTWAIT) <= 0)
			return;
}
