#ifndef IMAPGATE_CLOCK_H
#define IMAPGATE_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * Returns the time in milliseconds of a clock that is never set (clock_gettime(2),
 * CLOCK_MONOTONIC). Deadlines are such times.
 */
static inline int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Returns the milliseconds until a deadline, as poll(2) takes them; 0 if it has passed. */
static inline int
clock_left(int64_t deadline)
{
	int64_t left = deadline - clock_ms();

	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Replaces a time of clock_ms() with another one if that is earlier; 0 means never, for both. */
static inline void
clock_earliest(int64_t *at, int64_t other)
{
	if (other != 0 && (*at == 0 || other < *at))
		*at = other;
}

#endif
