/*
 * The delay, see delay.h. Run by the monitor, since a gate that was taken
 * over would not wait.
 *
 * No failure is quicker than another: until then everybody waits, longer with
 * each attempt (RFC 9051, 11.7).
 *
 * Only who has failed waits. A right password is answered at once, so whoever
 * shares an address with a guesser does not suffer. A guesser gains nothing
 * from that by guessing in parallel, nor by hanging up as soon as no answer
 * comes: this process sleeps on, and so holds one of the few connections that
 * the address may have before a login (--max-connections-per-address). Their
 * number divided by the delay is what it can try.
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
