#ifndef IMAPGATE_MONITOR_DELAY_H
#define IMAPGATE_MONITOR_DELAY_H

/* What a failed login costs the client: time. */

#include <stdbool.h>
#include <stdint.h>

#include "monitor/monitor.h"
#include "boundary/msg.h"

/*
 * Does the delay of this attempt, counted from 1, end before the deadline if
 * it begins now (clock_ms())? A login whose delay would be cut off by the
 * deadline tells by the time of its answer how long PAM took, and so whether
 * there is such a user: it must not be asked at all.
 */
bool	delay_fits(const struct monitor_start *, int64_t began, unsigned attempt);

/*
 * Notes that a login has failed which began then (clock_ms), and returns how
 * many failures are held against the client: the attempts of this connection,
 * or under a listener those of its address, if these are more.
 */
unsigned	delay_count(const struct msg_login *, unsigned attempts, int64_t began);

/* Waits until a failure of a login that began then may be told; so many are held against the client. Not beyond the deadline. */
void	delay_failure(const struct monitor_start *, int64_t began, unsigned failures);

#endif
