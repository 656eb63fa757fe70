/*
 * Limits log lines by network, see repeats.h. Run by the listener, as root.
 */

#include "listener/repeats.h"

#include <stddef.h>

/* Returns the record of a network. A new network takes the record with the oldest beginning. */
static struct repeats_record *
find_network(struct repeats *t, uint64_t network)
{
	struct repeats_record *r, *oldest = t->records;

	for (r = t->records; r < t->records + REPEATS_NETWORKS; r++) {
		if (r->began != 0 && r->network == network)
			return r;
		if (r->began < oldest->began)
			oldest = r;
	}
	oldest->network = network;
	oldest->began = 0;
	oldest->held = 0;
	return oldest;
}

unsigned
repeats_count(struct repeats *t, uint64_t network, unsigned max, int64_t now)
{
	struct repeats_record *r = find_network(t, network);
	unsigned held;

	if (r->began == 0 || now - r->began >= REPEATS_MS) {
		r->began = now;
		r->written = 1;
		held = r->held;
		r->held = 0;
		return held + 1;
	}
	if (r->written < max) {
		r->written++;
		return 1;
	}
	r->held++;
	return 0;
}
