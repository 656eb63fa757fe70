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
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/again.h"
#include "base/clock.h"
#include "gate/bounds.h"
#include "base/log.h"
#include "boundary/msg.h"

/* How long the mailbox program may take to say its last words when the service stops. */
#define STOP_MS		5000

/* More than conn_end() takes behind the last moment. */
#define CLOSE_MS	5000

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
	relay_report	*report;
	struct lane	 up;		/* client to mailbox program */
	struct lane	 down;
	bool		 up_done;	/* the client's end of file has been passed on */
	bool		 up_stuck;	/* the mailbox program's side is full */
	bool		 down_stuck;	/* the client's side is full */
	bool		 client_lost;	/* nothing can be sent there any more; what it sent is still passed on */
	bool		 client_ended;	/* nothing new can come from there */
	bool		 program_ended;	/* the same of the mailbox program */
	bool		 program_wrote;	/* the mailbox program has said something */
	bool		 failure_sent;	/* in its place */
	bool		 stopped;	/* by SIGTERM */
	bool		 broken;	/* poll(2) says again and again that something can move, and nothing does */
	int		 linger_ms;
	int64_t		 moved_at;	/* the last octet, since client_ended */
	int64_t		 ends_at;	/* the last moment of the relay; 0: not known yet */
	short		 client_events;	/* what poll(2) must tell of the client before it is worth reading */
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

/* Sets the relay's last moment, unless there is an earlier one. */
static void
end_in(struct relay *r, int ms)
{
	int64_t at = clock_ms() + ms;

	if (r->ends_at != 0 && r->ends_at <= at)
		return;
	r->ends_at = at;
	bounds_end_in(ms + CLOSE_MS);
}

static void
see_client_end(struct relay *r)
{
	if (!r->client_ended)
		r->moved_at = clock_ms();
	r->client_ended = true;
}

static void
see_program_end(struct relay *r)
{
	r->program_ended = true;
	end_in(r, r->linger_ms);
}

/*
 * The moment at which the relay gives up, 0 for none. Once the mailbox program
 * has ended it is fixed, whatever the client does; once the client has ended,
 * it moves on with each octet.
 */
static int64_t
deadline(const struct relay *r)
{
	if (r->ends_at != 0)
		return r->ends_at;
	return r->client_ended ? r->moved_at + r->linger_ms : 0;
}

static bool
is_late(const struct relay *r)
{
	int64_t at = deadline(r);

	return at != 0 && clock_left(at) == 0;
}

/* Throws away what a lane holds and expects nothing more. */
static void
discard_lane(struct lane *l)
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
		r->client_events = conn_poll_events(r->client);
	if (r->up.eof)
		see_client_end(r);
	return moved;
}

static bool
write_mailbox(struct relay *r)
{
	struct lane *l = &r->up;
	ssize_t n = send(r->mailbox, l->buffer + l->start, l->end - l->start, MSG_DONTWAIT | MSG_NOSIGNAL);

	r->up_stuck = n == -1 && try_later();
	if (n > 0) {
		l->start += (size_t)n;
		bounds_moved((uint64_t)n);
	} else if (!r->up_stuck)
		discard_lane(l);	/* the program has ended or does not listen; what it said still counts */
	return !r->up_stuck;
}

static bool
read_mailbox(struct relay *r)
{
	bool moved = fill(&r->down, recv(r->mailbox, r->down.buffer, LANE, MSG_DONTWAIT));

	if (r->down.eof)
		see_program_end(r);
	if (!is_empty(&r->down) && !r->program_wrote)
		r->report(OUTPUT_SOME);
	r->program_wrote |= !is_empty(&r->down);
	return moved;
}

static bool
write_client(struct relay *r)
{
	struct lane *l = &r->down;
	ssize_t n = conn_write_now(r->client, l->buffer + l->start, l->end - l->start);

	r->down_stuck = n == -1 && try_later();
	if (n > 0) {
		l->start += (size_t)n;
		bounds_moved((uint64_t)n);
	} else if (!r->down_stuck) {
		discard_lane(l);
		end_in(r, r->linger_ms);
		r->client_lost = true;
		shutdown(r->mailbox, SHUT_RD);	/* the program gets EPIPE, as from the client's own socket */
	}
	return !r->down_stuck;
}

/* Does what can be done at once. False if that was nothing. */
static bool
move_octets(struct relay *r)
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
	if (moved && r->client_ended)
		r->moved_at = clock_ms();
	return moved;
}

/* Waits until one of the two can go on: for room where a lane is stuck, else for bytes. SIGTERM is let through only here. */
static void
relay_await(struct relay *r)
{
	struct pollfd pfd[3] = { { r->client->in, 0, 0 }, { r->client->out, 0, 0 }, { r->mailbox, 0, 0 } };
	int64_t at = deadline(r);
	int left = at != 0 ? clock_left(at) : 0;
	const struct timespec timeout = { left / 1000, left % 1000 * 1000000L };
	sigset_t none;
	size_t i;
	int n;

	if (r->up_stuck) {
		pfd[2].events |= POLLOUT;
		/* Nothing is read from this side now, but its end has to be seen. */
		if (!r->client_ended)
			pfd[0].events |= POLLRDHUP;
	} else if (!r->up.eof)
		pfd[r->client_events == POLLOUT ? 1 : 0].events |= r->client_events;
	if (r->down_stuck) {
		pfd[1].events |= POLLOUT;
		if (!r->program_ended)
			pfd[2].events |= POLLRDHUP;
	} else if (!r->down.eof)
		pfd[2].events |= POLLIN;

	/* poll(2) tells of a hang-up unasked, again and again: leave out who is not waited for. */
	for (i = 0; i < 3; i++)
		if (pfd[i].events == 0)
			pfd[i].fd = -1;
	sigemptyset(&none);
	n = ppoll(pfd, 3, at != 0 ? &timeout : NULL, &none);
	if (n == -1 && errno != EINTR)
		die("poll");
	if (n != 0)
		r->broken = !again(&r->client->tries);
	if (pfd[0].events == POLLRDHUP && pfd[0].revents != 0)
		see_client_end(r);
	if (r->down_stuck && (pfd[2].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
		see_program_end(r);
}

static bool
is_over(const struct relay *r)
{
	if (!r->down.eof || !is_empty(&r->down))
		return false;
	return !r->client_lost || r->up_done;
}

/* SIGTERM ends the client's part. The mailbox program's last words are still passed on, for a time. */
static void
relay_stop(struct relay *r)
{
	r->stopped = true;
	discard_lane(&r->up);
	end_in(r, STOP_MS);
}

/* Nothing came from the mailbox program: the client has had no answer to its login, and gets the one that was prepared. */
static void
send_failure_reply(struct relay *r, const char *failure_reply)
{
	r->report(OUTPUT_NONE);
	r->failure_sent = true;
	r->down.start = 0;
	r->down.end = strlen(failure_reply) < LANE ? strlen(failure_reply) : 0;
	memcpy(r->down.buffer, failure_reply, r->down.end);
}

void
relay_run(struct conn *client, int mailbox, const char *failure_reply, int linger_ms, relay_report *report)
{
	static struct relay r;

	r.client = client;
	r.mailbox = mailbox;
	r.report = report;
	r.client_events = POLLIN;
	r.linger_ms = linger_ms;
	while (!is_over(&r) && !is_late(&r) && !r.broken) {
		if (bounds_is_stopped() && !r.stopped)
			relay_stop(&r);
		if (move_octets(&r))
			client->tries = 0;
		else
			relay_await(&r);
		if (r.down.eof && !r.program_wrote && !r.failure_sent && !r.client_lost && !r.stopped)
			send_failure_reply(&r, failure_reply);
	}
	/* Without close_notify the client can see that something is missing (RFC 8446, 6.1). */
	client->tls_broken |= !is_over(&r);
	end_in(&r, linger_ms);
	client->deadline = r.ends_at;
	conn_end(client);
}
