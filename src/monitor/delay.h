#ifndef IMAPGATE_MONITOR_DELAY_H
#define IMAPGATE_MONITOR_DELAY_H

/* The delay of failed logins. */

#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"
#include "monitor/monitor.h"

/*
 * Returns whether the delay of this attempt, counted from 1, would end before the login's
 * deadline. Takes the time at which the attempt began (clock_ms()). If not, PAM must not be
 * asked: a reply cut short by the deadline would show how long PAM took, and so whether the user
 * exists.
 */
bool	delay_fits(const struct monitor_start *, int64_t began, unsigned attempt);

/*
 * Reports a failed login that began at this time (clock_ms()) to the listener. Returns the
 * number of failures to delay for: the attempts of this connection, or the listener's count for
 * the address if it is larger.
 */
unsigned	delay_count(const struct msg_login *, unsigned attempts, int64_t began);

/*
 * Waits until the failure of a login that began at this time (clock_ms()) may be sent, for this
 * number of failures. Ends at the login's deadline at the latest.
 */
void	delay_failure(const struct monitor_start *, int64_t began, unsigned failures);

#endif
