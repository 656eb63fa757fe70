/*
 * The PROXY header on the wire, see proxied.h. Run by the gate in its
 * sandbox, as the first thing that it does. Any client may be able to
 * write there: a listed proxy is trusted to prevent that.
 */

#include "gate/proxied.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Proxies send it with the connection's first segment; this is for one that has to be sent again (proxy-protocol.txt, 2). */
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

/* Looks first: as long as the header has more, all that is there belongs to it, and in the end only what is left of it is taken. */
static enum proxied_end
receive(struct proxy *header, int64_t until)
{
	static uint8_t octets[PROXY_MAX];
	enum proxy_verdict verdict;
	size_t have = 0, used;
	ssize_t n;

	do {
		if (!proxied_await(until))
			return PROXIED_LATE;
		n = recv(STDIN_FILENO, octets + have, sizeof(octets) - have, MSG_PEEK | MSG_DONTWAIT);
		if (n <= 0)
			return PROXIED_CLOSED;
		verdict = proxy_parse(header, octets, have + (size_t)n, &used);
		if (verdict == PROXY_BAD)
			return PROXIED_MALFORMED;
		if (verdict == PROXY_READY)
			n = (ssize_t)(used - have);
		if (recv(STDIN_FILENO, octets + have, (size_t)n, MSG_DONTWAIT) != n)
			return PROXIED_CLOSED;
		have += (size_t)n;
	} while (verdict == PROXY_MORE);
	return PROXIED_READ;
}

enum proxied_end
proxied_read(struct proxy *header, int64_t deadline)
{
	int64_t until = clock_ms() + HEADER_MS;

	return receive(header, until < deadline ? until : deadline);
}
