/*
 * Rejects connections, see reject.h. Run by the listener, as root. A flood costs one accept(2),
 * one send(2) and one close(2) for each connection.
 */

#include "listener/reject.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/peer.h"
#include "listener/repeats.h"

/* Lines written about each network. */
static struct repeats repeats;

static void
log_rejection(int fd, const struct sockaddr_storage *from, enum msg_limit limit, unsigned times)
{
	struct log_line line;
	struct peer peer;

	peer_identify(&peer, fd, from);
	log_begin(&line, LOG_NOTICE, "refused");
	log_field(&line, "rip", "%s", peer.ip);
	log_field(&line, "rport", "%s", peer.port);
	log_field(&line, "lip", "%s", peer.local_ip);
	log_field(&line, "lport", "%s", peer.local_port);
	log_field(&line, "limit", "%s", msg_limit_name(limit));
	log_field(&line, "times", "%u", times);
	log_write(&line);
}

void
reject_send_bye(int fd, bool tls)
{
	static const char bye[] = "* BYE [UNAVAILABLE] Too many connections; please try again later\r\n";

	if (!tls)
		send(fd, bye, sizeof(bye) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
reject_connection(int fd, bool tls, enum msg_limit limit, uint64_t network, const struct sockaddr_storage *from)
{
	/*
	 * LIMIT_MAX_CONNECTIONS counts all clients: its lines are counted together, whatever the
	 * network.
	 */
	unsigned times = repeats_count(&repeats, limit == LIMIT_MAX_CONNECTIONS ? 0 : network, 1, clock_ms());

	if (times > 0)
		log_rejection(fd, from, limit, times);
	reject_send_bye(fd, tls);
	close(fd);
}
