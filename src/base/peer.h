#ifndef IMAPGATE_PEER_H
#define IMAPGATE_PEER_H

/*
 * Who is at the other end, found out without reading a byte from it. Where
 * descriptor 0 is a socket the kernel says it; only where a superserver put
 * something of its own before us do its UCSPI variables count. If it turns
 * out to be a proxy that speaks for its client (proxied.h), it is the client.
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config/options.h"
#include "proto/network.h"
#include "proto/proxy.h"

/* An IPv6 address with a zone: "fe80::1%eth0". */
#define PEER_ADDRESS	(INET6_ADDRSTRLEN + 17)

enum peer_kind {
	PEER_LOCAL,		/* a Unix-domain socket, or a pipe of which nothing is known */
	PEER_TCP,
	PEER_TLS,		/* a superserver or a proxy does the TLS itself */
};

/* Descriptors of a superserver that does TLS when it is asked to (UCSPI-TLS). */
struct peer_ucspi_tls {
	int	control;		/* 0: there is none */
	int	read, write;		/* the client, as soon as there is TLS */
};

struct peer {
	enum peer_kind	kind;
	bool		socket;			/* descriptor 0 is a TCP socket itself */
	bool		unix_socket;		/* or a Unix-domain socket */
	bool		loopback;		/* the remote address is of this machine's loopback network */
	bool		has_uid;		/* with PEER_LOCAL: the kernel says who is there */
	uid_t		uid;
	uint8_t		address[NETWORK_ADDRESS]; /* of the client; zeros if there is none */
	char		ip[PEER_ADDRESS];	/* the same as text; "local" if there is none */
	char		port[6];
	char		local_ip[PEER_ADDRESS];
	char		local_port[6];
	char		proxy[PEER_ADDRESS];	/* whose words all this is; empty if nobody stands between */
	char		tls_protocol[16];	/* with PEER_TLS: what is said of it */
	char		tls_cipher[64];
	struct peer_ucspi_tls ucspi_tls;
};

/*
 * Fills peer for a connection: a socket, or a pipe of descriptors 0 and 1, for
 * which the environment must not be cleared yet. Takes the address that
 * accept(2) has returned, NULL: getpeername(2) is asked. Returns false if the
 * client has reset the connection, so that its address can't be known any
 * more (ip is "unknown" then).
 */
bool	peer_identify(struct peer *, int fd, const struct sockaddr_storage *accepted);

/* Tests whether the descriptor is a pipe or a connected stream socket. One that its client has reset was connected. */
bool	peer_is_connection(int fd);

/* Is whoever has connected one of the proxies (--proxy) that have to say for whom? Else nothing is read that could be a header. */
bool	peer_is_proxy(const struct peer *, const struct options *);

/*
 * Puts the client into its proxy's place, as far as the header says who that
 * is. SECURITY: the header may be a gate's claim; its words are checked here:
 * false if they are not plain, and nothing has changed.
 */
bool	peer_replace(struct peer *, const struct proxy *);

/* Has every later line of the log say who the client is. */
void	peer_log(const struct peer *);

/* Is this descriptor a socket of any kind? Else it is read and written as a pipe. */
bool	peer_is_socket(int fd);

#endif
