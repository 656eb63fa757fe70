/*
 * The relay, see relay.h. Run by the gate in its sandbox: all it can do is
 * move bytes from one descriptor to another.
 *
 * Each direction is a lane: a buffer that is filled from one side and
 * emptied into the other, and one end of file that travels behind the last
 * byte. The client's becomes a shutdown of the stream to the mailbox
 * program; the program's becomes close_notify and ends the relay, as nobody
 * is left to read what the client might still send.
 */

#include "gate/relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* How long a slow client may take to read what is on its way when the mailbox program has ended. */
#define FAREWELL_MS	60000

/* One TLS record (RFC 8446, 5.1). */
#define LANE	16384

struct lane {
	size_t	start, end;	/* what is in the buffer */
	bool	eof;		/* nothing comes behind it */
	char	buffer[LANE];
};

struct relay {
	struct conn	*client;
	int		 mailbox;
	struct lane	 up;		/* client to mailbox program */
	struct lane	 down;
	bool		 up_done;	/* the client's end of file has been passed on */
	bool		 up_stuck;	/* the mailbox program's side is full */
	bool		 down_stuck;	/* the client's side is full */
	bool		 client_lost;	/* nothing can be sent there any more; what it sent is still passed on */
	short		 client_wants;	/* what poll(2) must tell of the client before it is worth reading */
};

static bool
is_empty(const struct lane *l)
{
	return l->start == l->end;
}

static bool
try_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Throws away what a lane holds and expects nothing more. */
static void
give_up(struct lane *l)
{
	l->start = l->end = 0;
	l->eof = true;
}

/* Puts what was read into a lane. True unless there was nothing yet. */
static bool
fill(struct lane *l, ssize_t n)
{
	if (n == -1 && try_later())
		return false;
	l->start = 0;
	l->end = n > 0 ? (size_t)n : 0;
	l->eof = n <= 0;
	return true;
}

static bool
read_client(struct relay *r)
{
	bool moved = fill(&r->up, conn_read_now(r->client, r->up.buffer, LANE));

	if (!moved)
		r->client_wants = conn_wants(r->client);
	return moved;
}

static bool
write_mailbox(struct relay *r)
{
	struct lane *l = &r->up;
	ssize_t n = send(r->mailbox, l->buffer + l->start, l->end - l->start, MSG_DONTWAIT | MSG_NOSIGNAL);

	r->up_stuck = n == -1 && try_later();
	if (n > 0)
		l->start += (size_t)n;
	else if (!r->up_stuck)
		give_up(l);	/* the program has ended or does not listen; what it said still counts */
	return !r->up_stuck;
}

static bool
read_mailbox(struct relay *r)
{
	return fill(&r->down, recv(r->mailbox, r->down.buffer, LANE, MSG_DONTWAIT));
}

static bool
write_client(struct relay *r)
{
	struct lane *l = &r->down;
	ssize_t n = conn_write_now(r->client, l->buffer + l->start, l->end - l->start);

	r->down_stuck = n == -1 && try_later();
	if (n > 0) {
		l->start += (size_t)n;
	} else if (!r->down_stuck) {
		give_up(l);
		r->client_lost = true;
		shutdown(r->mailbox, SHUT_RD);	/* the program gets EPIPE, as from the client's own socket */
	}
	return !r->down_stuck;
}

/* Does what can be done at once. False if that was nothing. */
static bool
move(struct relay *r)
{
	bool moved = false;

	if (is_empty(&r->up) && !r->up.eof)
		moved |= read_client(r);
	if (!is_empty(&r->up))
		moved |= write_mailbox(r);
	if (is_empty(&r->up) && r->up.eof && !r->up_done) {
		shutdown(r->mailbox, SHUT_WR);
		r->up_done = true;
	}
	if (is_empty(&r->down) && !r->down.eof)
		moved |= read_mailbox(r);
	if (!is_empty(&r->down))
		moved |= write_client(r);
	return moved;
}

/* Waits until one of the two can go on: for room where a lane is stuck, else for bytes. */
static void
await(const struct relay *r)
{
	struct pollfd pfd[3] = { { r->client->in, 0, 0 }, { r->client->out, 0, 0 }, { r->mailbox, 0, 0 } };
	size_t i;

	if (r->up_stuck)
		pfd[2].events |= POLLOUT;
	else if (!r->up.eof)
		pfd[r->client_wants == POLLOUT ? 1 : 0].events |= r->client_wants;
	if (r->down_stuck)
		pfd[1].events |= POLLOUT;
	else if (!r->down.eof)
		pfd[2].events |= POLLIN;

	/* poll(2) tells of a hang-up unasked, again and again: leave out who is not waited for. */
	for (i = 0; i < 3; i++)
		if (pfd[i].events == 0)
			pfd[i].fd = -1;
	if (poll(pfd, 3, -1) == -1 && errno != EINTR)
		die("poll");
}

static bool
is_over(const struct relay *r)
{
	if (!r->down.eof || !is_empty(&r->down))
		return false;
	return !r->client_lost || r->up_done;
}

void
relay_run(struct conn *client, int mailbox)
{
	static struct relay r;

	r.client = client;
	r.mailbox = mailbox;
	r.client_wants = POLLIN;
	while (!is_over(&r))
		if (!move(&r))
			await(&r);
	client->deadline = clock_ms() + FAREWELL_MS;
	conn_end(client);
}
