/*
 * Refusals, see refusal.h. Run by the listener, so a flood costs no more than
 * an accept(2), a send(2) and a close(2) for each connection.
 */

#include "refusal.h"

#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "peer.h"

/* The same network is logged so often. */
#define QUIET_MS	60000

/* So many networks are told apart; who is refused from more places at once fills them in turn. */
#define NETWORKS	64

/* What has been logged of a network. */
static struct record {
	uint64_t	network;
	int64_t		logged_at;	/* clock_ms(), 0: never */
	unsigned	times;		/* refused since then */
} records[NETWORKS];

/* The network's record, or the one whose line is the oldest. */
static struct record *
find(uint64_t network)
{
	struct record *r, *oldest = records;

	for (r = records; r < records + NETWORKS; r++) {
		if (r->logged_at != 0 && r->network == network)
			return r;
		if (r->logged_at < oldest->logged_at)
			oldest = r;
	}
	*oldest = (struct record){ .network = network };
	return oldest;
}

static void
report(int fd, const struct sockaddr_storage *from, enum board_limit limit, unsigned times)
{
	struct log_line line;
	struct peer peer;

	peer_look(&peer, fd, from);
	log_begin(&line, LOG_NOTICE, "refused");
	log_field(&line, "rip", "%s", peer.ip);
	log_field(&line, "rport", "%s", peer.port);
	log_field(&line, "lip", "%s", peer.local_ip);
	log_field(&line, "lport", "%s", peer.local_port);
	log_field(&line, "limit", "%s", board_limit_name(limit));
	log_field(&line, "times", "%u", times);
	log_write(&line);
}

void
refusal_say(int fd, bool tls)
{
	static const char bye[] = "* BYE [UNAVAILABLE] Too many connections; please try again later\r\n";

	if (!tls)
		send(fd, bye, sizeof(bye) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
refusal(int fd, bool tls, enum board_limit limit, uint64_t network, const struct sockaddr_storage *from)
{
	/* Where the limit is everybody's, it does not matter who comes. */
	struct record *r = find(limit == BOARD_MAX_CONNECTIONS ? 0 : network);
	int64_t now = clock_ms();

	r->times++;
	if (r->logged_at == 0 || now - r->logged_at >= QUIET_MS) {
		report(fd, from, limit, r->times);
		r->logged_at = now;
		r->times = 0;
	}
	refusal_say(fd, tls);
	close(fd);
}
