#ifndef IMAPGATE_PEER_H
#define IMAPGATE_PEER_H

/*
 * The client, as far as it is known without reading from it. The kernel knows the peer of a
 * socket. UCSPI variables are used only if descriptor 0 is a superserver's pipe. A PROXY header
 * replaces the proxy by its client (gate/proxied.h).
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config/options.h"
#include "proto/network.h"
#include "proto/proxy.h"

/* Room for an IPv6 address with a zone: "fe80::1%eth0". */
#define PEER_ADDRESS	(INET6_ADDRSTRLEN + 17)

enum peer_kind {
	PEER_LOCAL,		/* a Unix-domain socket, or a pipe without addresses */
	PEER_TCP,
	PEER_TLS,		/* a superserver or a proxy does the TLS */
};

/* Descriptors of a superserver that does TLS on request (UCSPI-TLS). */
struct peer_ucspi_tls {
	int	control;		/* 0: there is none */
	int	read, write;		/* for the client, once TLS has begun */
};

struct peer {
	enum peer_kind	kind;
	bool		socket;			/* the connection is a TCP socket */
	bool		unix_socket;		/* the connection is a Unix-domain socket */
	bool		loopback;		/* the client's address is a loopback address */
	bool		has_uid;		/* with PEER_LOCAL: uid is known */
	uid_t		uid;
	uint8_t		address[NETWORK_ADDRESS]; /* of the client; zeros if there is none */
	char		ip[PEER_ADDRESS];	/* the same as text; "local" if there is none */
	char		port[6];
	char		local_ip[PEER_ADDRESS];
	char		local_port[6];
	/* Address of the proxy that named this client; "" without a proxy. */
	char		proxy[PEER_ADDRESS];
	char		tls_protocol[16];	/* with PEER_TLS: as claimed */
	char		tls_cipher[64];
	struct peer_ucspi_tls ucspi_tls;
};

/*
 * Fills peer for a connection. Takes its descriptor, a socket or a pipe, and the address from
 * accept(2), NULL: getpeername(2) is used. Returns false, with ip "unknown", if the client has
 * reset the connection. Call it before the environment is cleared.
 */
bool	peer_identify(struct peer *, int fd, const struct sockaddr_storage *accepted);

/*
 * Returns whether a descriptor is a pipe or a connected stream socket; also one that its client
 * has reset.
 */
bool	peer_is_connection(int fd);

/*
 * Returns whether the peer is a proxy of --proxy, which must send a header. No header is read from
 * any other peer.
 */
bool	peer_is_proxy(const struct peer *, const struct options *);

/*
 * Replaces the proxy by the client in its header. Returns false, and changes nothing, if TLS
 * version or cipher are not word_is_plain().
 *
 * SECURITY: a compromised gate may have forged the header, so it is checked here.
 */
bool	peer_replace(struct peer *, const struct proxy *);

/* Makes all later log lines name the client. */
void	peer_log(const struct peer *);

/* Returns whether a descriptor is a socket. Others are read and written as pipes. */
bool	peer_is_socket(int fd);

#endif
