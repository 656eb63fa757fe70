#ifndef IMAPGATE_FAILURES_H
#define IMAPGATE_FAILURES_H

/*
 * Recent failed logins by network, so that a guesser is delayed on new connections too.
 *
 * Different failures are counted, not attempts: a forgotten telephone that repeats one old
 * password every minute counts once, and does not slow down an office with the same address.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Records in the table. The oldest are replaced first: a guesser with more addresses is found by
 * other means.
 */
#define FAILURES_MAX		4096
/* Failures remembered per network; the limit of the delay: 30 seconds with --failure-delay 2. */
#define FAILURES_PER_NETWORK	15
/* How long a failure is remembered, in milliseconds. */
#define FAILURES_KEPT_MS	(15 * 60 * 1000)

/*
 * A failed login as numbers, equal for equal names and passwords (made in monitor/accounting.c).
 */
struct failure {
	uint64_t	network;	/* of the client, see connections_network(); never 0 */
	uint64_t	user;		/* the user's name */
	uint64_t	attempt;	/* the user's name and password */
};

/* The table, opaque. All zeros is an empty one. */
struct failures {
	struct failures_record {
		int64_t		when;		/* clock_ms(); 0: free */
		uint64_t	network, user, attempt;
	} records[FAILURES_MAX];
};

/*
 * Records a failure. Takes the time in milliseconds of clock_ms(). Returns how many different
 * failures of its network are remembered, this one included.
 */
unsigned	failures_add(struct failures *, const struct failure *, int64_t now);

/* Returns whether a network has records; expired ones count until they are replaced. */
bool	failures_has_network(const struct failures *, uint64_t network);

/* Forgets a user's failures from a network after a successful login. */
void	failures_forgive(struct failures *, uint64_t network, uint64_t user);

#endif
