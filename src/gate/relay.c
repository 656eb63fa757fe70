/*
 * The relay, see relay.h. Run by the gate in its sandbox, where it can do nothing but move
 * octets; reads from the network.
 *
 * Each direction is a lane: a buffer that is filled from one side and written to the other, and
 * one end of file, passed on after the last octet. The client's end of file becomes a shutdown
 * of the stream to the mailbox program. The program's becomes close_notify and ends the relay:
 * no process is left to read the client's input.
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
#include "base/log.h"
#include "boundary/msg.h"
#include "gate/bounds.h"

/* Timeout for the mailbox program's last output when the service stops, in milliseconds. */
#define RELAY_STOP_MS	5000

/* More milliseconds than conn_end() needs after the relay's end. */
#define CLOSE_MS	5000

/* The most plaintext that one TLS record carries, in octets (RFC 8446, 5.1). */
#define LANE_SIZE	16384

struct lane {
	size_t	start, end;	/* range of the buffer that is not passed on yet */
	bool	eof;		/* end of file after the buffer */
	char	buffer[LANE_SIZE];
};

struct relay {
	struct conn	*client;
	int		 mailbox;
	relay_report	*report;
	struct lane	 up;		/* client to mailbox program */
	struct lane	 down;
	bool		 up_done;	/* client's end of file was passed on */
	bool		 up_stuck;	/* the mailbox program's stream is full */
	bool		 down_stuck;	/* the client's connection is full */
	bool		 client_lost;	/* nothing can be sent to the client; its input is still passed on */
	bool		 client_ended;	/* the client's end was seen */
	bool		 program_ended;	/* the mailbox program's end was seen */
	bool		 program_wrote;	/* the mailbox program has written an octet */
	bool		 failure_queued;	/* failure_reply takes the place of the program's output */
	bool		 stopped;	/* by SIGTERM */
	bool		 broken;	/* poll(2) reports events again and again, but nothing moves */
	int		 linger_ms;
	int64_t		 moved_at;	/* clock_ms() of the last moved octet; set only after client_ended */
	int64_t		 ends_at;	/* clock_ms() at which the relay ends; 0: not known yet */
	short		 client_events;	/* poll(2) event to wait for before reading the client */
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

/* Ends the relay in ms milliseconds, unless it ends earlier. */
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
note_client_end(struct relay *r)
{
	if (!r->client_ended)
		r->moved_at = clock_ms();
	r->client_ended = true;
}

static void
note_program_end(struct relay *r)
{
	r->program_ended = true;
	end_in(r, r->linger_ms);
}

/*
 * Returns the time (clock_ms()) at which the relay gives up, 0: never. After the mailbox program's
 * end the time is fixed; after the client's end each moved octet extends it.
 */
static int64_t
relay_deadline(const struct relay *r)
{
	if (r->ends_at != 0)
		return r->ends_at;
	return r->client_ended ? r->moved_at + r->linger_ms : 0;
}

static bool
is_late(const struct relay *r)
{
	int64_t at = relay_deadline(r);

	return at != 0 && clock_left(at) == 0;
}

/* Drops the contents of a lane, and makes it accept no more. */
static void
discard_lane(struct lane *l)
{
	l->start = l->end = 0;
	l->eof = true;
}

/* Records the result n of a read into a lane. Returns false if there was nothing to read yet. */
static bool
fill_lane(struct lane *l, ssize_t n)
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
	bool moved = fill_lane(&r->up, conn_read_now(r->client, r->up.buffer, LANE_SIZE));

	if (!moved)
		r->client_events = conn_poll_events(r->client);
	if (r->up.eof)
		note_client_end(r);
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
		bounds_count_octets((uint64_t)n);
	} else if (!r->up_stuck)
		discard_lane(l);	/* the program has exited or does not read; its output is still passed on */
	return !r->up_stuck;
}

static bool
read_mailbox(struct relay *r)
{
	bool moved = fill_lane(&r->down, recv(r->mailbox, r->down.buffer, LANE_SIZE, MSG_DONTWAIT));

	if (r->down.eof)
		note_program_end(r);
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
		bounds_count_octets((uint64_t)n);
	} else if (!r->down_stuck) {
		discard_lane(l);
		end_in(r, r->linger_ms);
		r->client_lost = true;
		shutdown(r->mailbox, SHUT_RD);	/* the program gets EPIPE, as from the client's own socket */
	}
	return !r->down_stuck;
}

/* Moves all octets that can be moved without waiting. Returns false if there were none. */
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

/* Waits for room where a lane is stuck, else for input. SIGTERM is unblocked only here. */
static void
relay_await(struct relay *r)
{
	struct pollfd pfd[3] = { { r->client->in, 0, 0 }, { r->client->out, 0, 0 }, { r->mailbox, 0, 0 } };
	int64_t at = relay_deadline(r);
	int left = at != 0 ? clock_left(at) : 0;
	const struct timespec timeout = { left / 1000, left % 1000 * 1000000L };
	sigset_t none;
	size_t i;
	int n;

	if (r->up_stuck) {
		pfd[2].events |= POLLOUT;
		/* Nothing is read from this side now, but its end must be noticed. */
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

	/* poll(2) reports a hang-up even if no event is asked for: leave such descriptors out. */
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
		note_client_end(r);
	if (r->down_stuck && (pfd[2].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
		note_program_end(r);
}

static bool
is_over(const struct relay *r)
{
	if (!r->down.eof || !is_empty(&r->down))
		return false;
	return !r->client_lost || r->up_done;
}

/*
 * Stops reading the client after SIGTERM; output of the mailbox program is passed on for
 * RELAY_STOP_MS.
 */
static void
relay_stop(struct relay *r)
{
	r->stopped = true;
	discard_lane(&r->up);
	end_in(r, RELAY_STOP_MS);
}

/* Puts the failure reply into the lane to the client, whose login was not answered yet. */
static void
queue_failure_reply(struct relay *r, const char *failure_reply)
{
	r->report(OUTPUT_NONE);
	r->failure_queued = true;
	r->down.start = 0;
	r->down.end = strlen(failure_reply) < LANE_SIZE ? strlen(failure_reply) : 0;
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
		if (r.down.eof && !r.program_wrote && !r.failure_queued && !r.client_lost && !r.stopped)
			queue_failure_reply(&r, failure_reply);
	}
	/* A missing close_notify shows the client that data is missing (RFC 8446, 6.1). */
	client->tls_broken |= !is_over(&r);
	end_in(&r, linger_ms);
	client->deadline = r.ends_at;
	conn_end(client);
}
