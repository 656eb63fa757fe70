/*
 * Reading the PROXY header, see proxied.h. Run by the gate in its sandbox, before it reads
 * anything else from the network. A client that can connect from a listed proxy's address can
 * forge the header; the proxy is trusted to prevent that.
 */

#include "gate/proxied.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * Timeout for the header in milliseconds. Proxies send the header in the first segment
 * (proxy-protocol.txt, 2); the time is for retransmissions.
 */
#define HEADER_MS	5000

static bool
proxied_await(int64_t until)
{
	struct pollfd pfd = { STDIN_FILENO, POLLIN, 0 };
	int n;

	do
		n = poll(&pfd, 1, clock_left(until));
	while (n == -1 && errno == EINTR && clock_left(until) > 0);
	return n == 1;
}

/*
 * Peeks before it reads: all input belongs to an incomplete header, but only a part of the input to
 * a complete one.
 */
static enum proxied_end
receive_header(struct proxy *header, int64_t until)
{
	static uint8_t octets[PROXY_MAX];
	enum proxy_outcome outcome;
	size_t have = 0, used;
	ssize_t n;

	do {
		if (!proxied_await(until))
			return PROXIED_LATE;
		n = recv(STDIN_FILENO, octets + have, sizeof(octets) - have, MSG_PEEK | MSG_DONTWAIT);
		if (n <= 0)
			return PROXIED_CLOSED;
		outcome = proxy_parse(header, octets, have + (size_t)n, &used);
		if (outcome == PROXY_BAD)
			return PROXIED_MALFORMED;
		if (outcome == PROXY_READY)
			n = (ssize_t)(used - have);
		if (recv(STDIN_FILENO, octets + have, (size_t)n, MSG_DONTWAIT) != n)
			return PROXIED_CLOSED;
		have += (size_t)n;
	} while (outcome == PROXY_MORE);
	return PROXIED_READ;
}

enum proxied_end
proxied_read(struct proxy *header, int64_t deadline)
{
	int64_t until = clock_ms() + HEADER_MS;

	return receive_header(header, until < deadline ? until : deadline);
}
