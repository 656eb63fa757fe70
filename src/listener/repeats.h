#ifndef IMAPGATE_REPEATS_H
#define IMAPGATE_REPEATS_H

/*
 * Limits log lines that a client can cause at no cost, such as the end of an idle connection. The
 * first lines of a network are written, further ones counted. So no client can fill the log, or
 * make journald's rate limit drop other lines.
 */

#include <stdint.h>

/* Interval in which the lines of a network are counted together, in milliseconds. */
#define REPEATS_MS	60000
/* Networks in the table; a new one replaces that with the oldest beginning. */
#define REPEATS_NETWORKS 64

/* The table, opaque. All zeros is an empty one. */
struct repeats {
	struct repeats_record {
		uint64_t	network;
		int64_t		began;		/* clock_ms(), 0: free */
		unsigned	written, held;	/* lines since then */
	} records[REPEATS_NETWORKS];
};

/*
 * Counts a line about a network. Takes the number of lines that may be written within REPEATS_MS,
 * and the time (clock_ms()). Returns how many lines this one stands for, itself included; 0: it
 * must not be written.
 */
unsigned	repeats_count(struct repeats *, uint64_t network, unsigned max, int64_t now);

#endif
