#ifndef IMAPGATE_PROXIED_H
#define IMAPGATE_PROXIED_H

/*
 * Clients that come through a proxy (--proxy): before the first byte of the
 * client's, the proxy says by a PROXY header who that is.
 */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "peer.h"

/* Is whoever connected one of the proxies that must say for whom? Else nothing is read that could be a header. */
bool	proxied_is_listed(const struct options *, const struct peer *);

/*
 * Reads the header from descriptor 0, exactly its octets and not one of the
 * client's, for five seconds at the most and not behind the deadline. Then
 * peer is the proxy's client. If there is no header that can be understood,
 * the log says so, nobody is answered, and the process exits.
 */
void	proxied_read(struct peer *, int64_t deadline);

#endif
