/*
 * The delay of failed logins, see delay.h. Run by the monitor, as root, because a compromised
 * gate would not wait.
 *
 * Every failure takes the same time, whatever its cause, and longer with each attempt (RFC 9051,
 * 11.7).
 *
 * Successful logins are not delayed, so users that share an address with an attacker do not
 * suffer. The attacker gains nothing by parallel guesses, or by disconnecting when no reply
 * comes: this process still waits and holds one of the address's connections before the login
 * (--max-connections-per-address). The number of those connections divided by the delay is the
 * rate of guesses.
 */

#include "monitor/delay.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "monitor/accounting.h"

bool
delay_fits(const struct monitor_start *start, int64_t began, unsigned attempt)
{
	return began + (int64_t)start->opts->failure_delay_ms * attempt < start->deadline;
}

unsigned
delay_count(const struct msg_login *login, unsigned attempts, int64_t began)
{
	unsigned remembered = accounting_failed(login, began);

	return remembered > attempts ? remembered : attempts;
}

void
delay_failure(const struct monitor_start *start, int64_t began, unsigned failures)
{
	int64_t until = began + (int64_t)start->opts->failure_delay_ms * failures;
	struct timespec ts;

	if (until > start->deadline)
		until = start->deadline;
	ts = (struct timespec){ until / 1000, until % 1000 * 1000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR && clock_left(until) > 0)
		;
}
