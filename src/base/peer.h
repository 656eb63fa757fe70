#ifndef IMAPGATE_PEER_H
#define IMAPGATE_PEER_H

/*
 * The client, as far as it is known without reading from it. The kernel knows the peer of a
 * socket. A superserver's variables give the addresses only if the descriptor is a pipe; the
 * descriptors of UCSPI-TLS are read in any case. A PROXY header replaces the proxy with its client
 * (gate/proxied.h).
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config/options.h"
#include "proto/network.h"
#include "proto/proxy.h"

/* Room for an IPv6 address with a zone: "fe80::1%eth0". */
#define PEER_ADDRESS_SIZE	(INET6_ADDRSTRLEN + 17)

enum peer_kind {
	PEER_LOCAL,		/* a Unix-domain socket, or a pipe without addresses */
	PEER_TCP,
	PEER_TLS,		/* a superserver or a proxy terminates TLS */
};

/* Descriptors of a superserver that terminates TLS on request (UCSPI-TLS). */
struct peer_ucspi_tls {
	int	control;		/* 0: there is none */
	int	read, write;		/* for the client, once TLS has begun */
};

struct peer {
	enum peer_kind	kind;
	bool		tcp_socket;		/* the connection is a TCP socket */
	bool		unix_socket;		/* the connection is a Unix-domain socket */
	bool		loopback;		/* the client's address is a loopback address */
	bool		has_uid;		/* with PEER_LOCAL: uid is known */
	uid_t		uid;
	uint8_t		address[NETWORK_ADDRESS_LEN]; /* of the client; zeros if there is none */
	char		ip[PEER_ADDRESS_SIZE];	/* the same as text; "local" if there is none */
	char		port[6];
	char		local_ip[PEER_ADDRESS_SIZE];
	char		local_port[6];
	/* Address of the proxy that named this client; "" without a proxy. */
	char		proxy[PEER_ADDRESS_SIZE];
	char		tls_protocol[16];	/* with PEER_TLS: as claimed */
	char		tls_cipher[64];
	struct peer_ucspi_tls ucspi_tls;
};

/*
 * Fills peer for a connection. Takes its socket or pipe, and the address that accept(2) gave; if
 * that is NULL, getpeername(2) is called. Returns false, with ip "unknown", if the client has reset
 * the connection. Call it before the environment is cleared.
 */
bool	peer_identify(struct peer *, int fd, const struct sockaddr_storage *accepted);

/*
 * Returns whether a descriptor is a pipe, or a stream socket that is or was connected: the client
 * may have reset it.
 */
bool	peer_is_connection(int fd);

/*
 * Returns whether the peer is a proxy of --proxy, which must send a header. No header is read from
 * any other peer.
 */
bool	peer_is_proxy(const struct peer *, const struct options *);

/*
 * Replaces the proxy with the client in its header. Returns false, and changes nothing, if the
 * client kind is invalid, or word_is_plain() rejects the TLS version or cipher.
 *
 * SECURITY: a compromised gate may have forged the header, so it is checked here.
 */
bool	peer_replace(struct peer *, const struct proxy *);

/* Makes all later log lines name the client. */
void	peer_set_log_context(const struct peer *);

/* Returns whether a descriptor is a socket. Others are read and written as pipes. */
bool	peer_is_socket(int fd);

#endif
