/*
 * Remembers failed logins, see failures.h. Run by the listener, as root.
 */

#include "listener/failures.h"

#include <stddef.h>

struct oldest {
	struct failures_record	*record;
	int64_t			 when;
};

/* Result of one search of the table for a failure. */
struct search_result {
	unsigned		 count;		/* different failures of its network */
	struct failures_record	*same;		/* the record of this very failure, NULL: none */
	/*
	 * The oldest record of its network, and of all other networks; a free record is the
	 * oldest.
	 */
	struct oldest		 own, other;
};

static bool
is_kept(int64_t when, int64_t now)
{
	return when != 0 && now - when < FAILURES_KEPT_MS;
}

static void
prefer_older(struct oldest *o, struct failures_record *r, int64_t when)
{
	if (o->record == NULL || when < o->when)
		*o = (struct oldest){ r, when };
}

static struct search_result
find_records(struct failures *f, const struct failure *failure, int64_t now)
{
	struct search_result v = { .count = 0 };
	struct failures_record *r;

	for (r = f->records; r < f->records + FAILURES_MAX; r++) {
		int64_t when = r->when;

		if (!is_kept(when, now) || r->network != failure->network) {
			prefer_older(&v.other, r, when);
			continue;
		}
		v.count++;
		prefer_older(&v.own, r, when);
		if (r->attempt == failure->attempt)
			v.same = r;
	}
	return v;
}

unsigned
failures_add(struct failures *f, const struct failure *failure, int64_t now)
{
	struct search_result v = find_records(f, failure, now);
	/*
	 * A network at its maximum replaces one of its own records, so that it can't push out
	 * those of others.
	 */
	struct failures_record *victim = v.count < FAILURES_PER_NETWORK ? v.other.record : v.own.record;

	if (v.same != NULL) {
		v.same->when = now;
		return v.count;
	}
	*victim = (struct failures_record){ now, failure->network, failure->user, failure->attempt };
	return v.count < FAILURES_PER_NETWORK ? v.count + 1 : v.count;
}

bool
failures_has_network(const struct failures *f, uint64_t network)
{
	const struct failures_record *r;

	for (r = f->records; r < f->records + FAILURES_MAX; r++)
		if (r->network == network && r->when != 0)
			return true;
	return false;
}

void
failures_forgive(struct failures *f, uint64_t network, uint64_t user)
{
	struct failures_record *r;

	for (r = f->records; r < f->records + FAILURES_MAX; r++)
		if (r->network == network && r->user == user)
			r->when = 0;
}
