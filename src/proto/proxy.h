#ifndef IMAPGATE_PROTO_PROXY_H
#define IMAPGATE_PROTO_PROXY_H

/*
 * The PROXY header (proxy-protocol.txt of HAProxy): in front of the first
 * byte of its client's, a proxy says who that client is. Version 1 is a line
 * of text, version 2 is binary; both are understood.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/network.h"

/* The longest header that is understood. The protocol wants it to fit a segment; two paths of Unix-domain sockets and a DN do. */
#define PROXY_MAX	4096

enum proxy_verdict {
	PROXY_MORE,		/* all of the octets belong to the header, and it has more */
	PROXY_READY,
	PROXY_BAD,		/* no header can begin so */
};

/* Who the client is. */
enum proxy_client {
	PROXY_ITSELF,		/* LOCAL: the proxy, which looks whether we are well */
	PROXY_UNKNOWN,		/* somebody of whom it can't tell more */
	PROXY_UNIX,		/* somebody on the proxy's machine, by a Unix-domain socket */
	PROXY_TCP,		/* the addresses are filled */
};

struct proxy_end {
	uint8_t		address[NETWORK_ADDRESS];
	uint16_t	port;
};

struct proxy {
	enum proxy_client	client;
	struct proxy_end	source;			/* the client */
	struct proxy_end	destination;		/* what it connected to, at the proxy */
	bool			tls;			/* by TLS, of which the proxy is the end (PP2_CLIENT_SSL) */
	char			tls_protocol[16];	/* a plain word (word.h); "TLS" if it was not told */
	char			tls_cipher[64];		/* the same, "unknown" */
};

/*
 * Reads a header from the first octets of a connection. After PROXY_READY the
 * struct is filled and used is the header's length, which is not 0; what
 * follows belongs to the client. Fed again with more after PROXY_MORE, it
 * begins anew; it never says PROXY_MORE to PROXY_MAX octets.
 */
enum proxy_verdict	proxy_parse(struct proxy *, const uint8_t *octets, size_t len, size_t *used);

#endif
