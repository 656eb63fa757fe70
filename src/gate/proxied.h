#ifndef IMAPGATE_GATE_PROXIED_H
#define IMAPGATE_GATE_PROXIED_H

/*
 * Clients that come through a proxy (--proxy): before the first byte of the
 * client's, the proxy says by a PROXY header who that is.
 */

#include <stdint.h>

#include "proto/proxy.h"

enum proxied_end {
	PROXIED_READ,
	PROXIED_MALFORMED,
	PROXIED_LATE,
	PROXIED_CLOSED,		/* a port that is only looked at, by a health check perhaps, is no fault */
};

/*
 * Reads the header from descriptor 0, exactly its octets and not one of the
 * client's, for five seconds at the most and not behind the deadline
 * (clock_ms()). It is filled with PROXIED_READ only.
 */
enum proxied_end	proxied_read(struct proxy *, int64_t deadline);

#endif
