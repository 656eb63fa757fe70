#ifndef IMAPGATE_GATE_PROXIED_H
#define IMAPGATE_GATE_PROXIED_H

/*
 * Connections that come through a proxy (--proxy): the proxy sends a PROXY header with its
 * client's address before the client's first octet.
 */

#include <stdint.h>

#include "proto/proxy.h"

enum proxied_end {
	PROXIED_READ,
	PROXIED_MALFORMED,
	PROXIED_LATE,
	PROXIED_CLOSED,		/* also a port scan or a health check, so no error */
};

/*
 * Reads the header from descriptor 0, and no octet of the client's. Waits for five seconds, but
 * not beyond the deadline (clock_ms()). Returns PROXIED_READ and fills the header; or why there is
 * none.
 */
enum proxied_end	proxied_read(struct proxy *, int64_t deadline);

#endif
