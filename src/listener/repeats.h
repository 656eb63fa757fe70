#ifndef IMAPGATE_REPEATS_H
#define IMAPGATE_REPEATS_H

/*
 * Lines of the log that a client causes at no cost, such as the end of a
 * connection that has said nothing. The first ones of a network are written,
 * the others counted, so that nobody can fill the log, or have other lines
 * dropped by a limit of journald's.
 */

#include <stdint.h>

/* How long a network's lines are counted together. */
#define REPEATS_MS	60000
/* Networks that are told apart; the one whose time is the oldest makes room. */
#define REPEATS_NETWORKS 64

/* The table. Treat it as opaque; all zeros is an empty one. */
struct repeats {
	struct repeats_record {
		uint64_t	network;
		int64_t		began;		/* clock_ms(), 0: free */
		unsigned	written, held;	/* since then */
	} records[REPEATS_NETWORKS];
};

/*
 * Counts a line about a network, at a time of clock_ms(). Takes how many lines
 * are written within REPEATS_MS. Returns for how many this one stands, itself
 * included; 0: it must not be written.
 */
unsigned	repeats_count(struct repeats *, uint64_t network, unsigned most, int64_t now);

#endif
