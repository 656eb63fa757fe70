/*
 * The PROXY header on the wire, see proxied.h. Run by the monitor, before
 * there is a gate: what the gate is told of the client depends on it.
 *
 * SECURITY: these are the only bytes of a connection that a process with
 * privileges reads. They are read from addresses that the administrator has
 * listed and from no others, at most PROXY_MAX of them, by a parser that
 * neither allocates nor calls anything (proto/proxy.c). Who can write there
 * can be any client: whoever is listed is trusted with that.
 */

#include "proxied.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "proto/proxy.h"

/* Proxies send it with the connection's first segment; this is for one that has to be sent again (proxy-protocol.txt, 2). */
#define HEADER_MS	5000

enum outcome {
	READ,
	MALFORMED,
	LATE,
	CLOSED,
};

bool
proxied_is_listed(const struct options *o, const struct peer *p)
{
	if (!peer_is_socket(STDIN_FILENO))
		return false;
	if (p->kind == PEER_LOCAL)
		return o->proxy_unix;
	return network_any(o->proxy, o->proxies, p->address);
}

static bool
await(int64_t until)
{
	struct pollfd pfd = { STDIN_FILENO, POLLIN, 0 };
	int n;

	do
		n = poll(&pfd, 1, clock_left(until));
	while (n == -1 && errno == EINTR && clock_left(until) > 0);
	return n == 1;
}

/* Looks first: as long as the header has more, all that is there belongs to it, and in the end only what is left of it is taken. */
static enum outcome
receive(struct proxy *header, int64_t until)
{
	static uint8_t octets[PROXY_MAX];
	enum proxy_verdict verdict;
	size_t have = 0, used;
	ssize_t n;

	do {
		if (!await(until))
			return LATE;
		n = recv(STDIN_FILENO, octets + have, sizeof(octets) - have, MSG_PEEK | MSG_DONTWAIT);
		if (n <= 0)
			return CLOSED;
		verdict = proxy_parse(header, octets, have + (size_t)n, &used);
		if (verdict == PROXY_BAD)
			return MALFORMED;
		if (verdict == PROXY_READY)
			n = (ssize_t)(used - have);
		if (recv(STDIN_FILENO, octets + have, (size_t)n, MSG_DONTWAIT) != n)
			return CLOSED;
		have += (size_t)n;
	} while (verdict == PROXY_MORE);
	return READ;
}

static void __attribute__((noreturn))
give_up(enum outcome outcome)
{
	struct log_line l;

	/* A port that is only looked at, by a health check perhaps, is no fault. */
	log_begin(&l, outcome == CLOSED ? LOG_INFO : LOG_ERR, "end");
	log_field(&l, "reason", "proxy-%s", outcome == CLOSED ? "closed" : outcome == LATE ? "late" : "malformed");
	log_write(&l);
	_exit(0);
}

static void
show(const struct proxy_end *end, char ip[PEER_ADDRESS], char port[6])
{
	bool ipv4 = network_is_ipv4(end->address);

	inet_ntop(ipv4 ? AF_INET : AF_INET6, end->address + (ipv4 ? 12 : 0), ip, PEER_ADDRESS);
	snprintf(port, 6, "%u", end->port);
}

static void
use_addresses(struct peer *p, const struct proxy *header)
{
	/* Between proxy and client is another network; only on this machine is the whole way one of loopback. */
	p->loopback = (p->loopback || p->kind == PEER_LOCAL) && network_is_loopback(header->source.address);
	p->kind = PEER_TCP;
	memcpy(p->address, header->source.address, NETWORK_ADDRESS);
	show(&header->source, p->ip, p->port);
	show(&header->destination, p->local_ip, p->local_port);
}

/* Puts the client into the proxy's place, as far as the header says who it is. */
static void
replace(struct peer *p, const struct proxy *header)
{
	if (header->client == PROXY_ITSELF)
		return;
	snprintf(p->proxy, sizeof(p->proxy), "%s", p->ip);
	/* SECURITY: what the kernel says of the other end is of the proxy, not of its client. */
	p->has_uid = false;
	if (header->client == PROXY_TCP)
		use_addresses(p, header);
	else
		p->loopback = false;
	if (header->client == PROXY_UNKNOWN)
		p->kind = PEER_TCP;
	if (header->tls) {
		p->kind = PEER_TLS;
		strcpy(p->tls_protocol, header->tls_protocol);
		strcpy(p->tls_cipher, header->tls_cipher);
	}
}

void
proxied_read(struct peer *p, int64_t deadline)
{
	int64_t until = clock_ms() + HEADER_MS;
	struct proxy header;
	enum outcome outcome = receive(&header, until < deadline ? until : deadline);

	if (outcome != READ)
		give_up(outcome);
	replace(p, &header);
}
