#ifndef IMAPGATE_PROTO_PROXY_H
#define IMAPGATE_PROTO_PROXY_H

/*
 * The PROXY header (proxy-protocol.txt of HAProxy): a proxy sends its client's address before
 * the client's first octet. Version 1 is a line of text, version 2 is binary; both are accepted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/network.h"

/*
 * Octets of the longest header that is accepted, with room for two paths of Unix-domain sockets and
 * a DN. The protocol requires that a header fits into a segment.
 */
#define PROXY_MAX	4096

enum proxy_outcome {
	PROXY_MORE,		/* all octets belong to the header, and more must follow */
	PROXY_READY,
	PROXY_BAD,		/* not the beginning of a header */
};

/* The kind of client. */
enum proxy_client {
	PROXY_ITSELF,		/* LOCAL: the proxy itself, for a health check */
	PROXY_UNKNOWN,		/* the proxy does not know the address */
	PROXY_UNIX,		/* on the proxy's host, by a Unix-domain socket */
	PROXY_TCP,		/* source and destination are filled */
};

struct proxy_endpoint {
	uint8_t		address[NETWORK_ADDRESS_LEN];
	uint16_t	port;
};

struct proxy {
	enum proxy_client	client;
	struct proxy_endpoint	source;			/* of the client */
	struct proxy_endpoint	destination;		/* address at the proxy */
	bool			tls;			/* the client's TLS ends at the proxy (PP2_CLIENT_SSL) */
	char			tls_protocol[16];	/* plain word (word.h); "TLS" if unknown */
	char			tls_cipher[64];		/* plain word; "unknown" if unknown */
};

/*
 * Parses a header from the first octets of a connection. Returns PROXY_READY, fills the struct and
 * sets used to the header's length, at least 1; later octets are the client's. After PROXY_MORE
 * must be called again with the same octets and more. Never returns PROXY_MORE for PROXY_MAX
 * octets.
 */
enum proxy_outcome	proxy_parse(struct proxy *, const uint8_t *octets, size_t len, size_t *used);

#endif
