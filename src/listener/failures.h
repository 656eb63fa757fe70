#ifndef IMAPGATE_FAILURES_H
#define IMAPGATE_FAILURES_H

/*
 * Logins that failed lately, from which networks: what makes a guesser wait
 * who comes again on a new connection.
 *
 * Counted are different failures. A telephone in some pocket that tries an
 * old password every minute is one failure, not one a minute, so those who
 * share an office's one address with it do not wait for it.
 */

#include <stdbool.h>
#include <stdint.h>

/* A guesser who has more addresses than this is found by other means; the oldest failures make room. */
#define FAILURES_MAX		4096
/* Those that are remembered of one network, and so the most that its delay can grow: 30 seconds with --failure-delay 2. */
#define FAILURES_PER_NETWORK	15
/* How long each is remembered. */
#define FAILURES_KEPT_MS	(15 * 60 * 1000)

/* A login that failed: numbers that are equal for equals and tell nothing else (monitor/accounting.c makes them). */
struct failure {
	uint64_t	network;	/* where from, see connections_network; never 0 */
	uint64_t	user;		/* of whom */
	uint64_t	attempt;	/* of whom, with which password */
};

/* The table. Treat it as opaque; all zeros is an empty one. */
struct failures {
	struct failures_record {
		int64_t		when;		/* clock_ms(); 0: free */
		uint64_t	network, user, attempt;
	} records[FAILURES_MAX];
};

/* Remembers a failure now, in milliseconds of clock_ms(). Returns how many different ones of its network are remembered, itself included. */
unsigned	failures_add(struct failures *, const struct failure *, int64_t now);

/* Is anything remembered of this network, or was until lately? */
bool	failures_has_network(const struct failures *, uint64_t network);

/* Forgets what a user has failed to do from this network: the one who is logged in now was no guesser. */
void	failures_forgive(struct failures *, uint64_t network, uint64_t user);

#endif
