#ifndef IMAPGATE_GATE_BOUNDS_H
#define IMAPGATE_GATE_BOUNDS_H

/*
 * Limits on a gate's time and CPU that the kernel enforces (setrlimit(2), setitimer(2)), so that
 * a bug that loops or waits for ever ends within seconds.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Sets the limits of a connection before the login: 10 seconds of CPU, and the end of the
 * process five seconds after the deadline (clock_ms()). Blocks SIGTERM, which the monitor
 * handles before the login. Dies if the kernel refuses. Must be called before the sandbox is
 * entered.
 */
void	bounds_start(int64_t deadline);

/*
 * Replaces the limits with those of a session: no deadline, but each further second of CPU must
 * move octets (bounds_count_octets()).
 */
void	bounds_start_session(void);

/* Counts octets that the relay has moved. */
void	bounds_count_octets(uint64_t octets);

/* Ends this process after ms milliseconds, even if it hangs. */
void	bounds_end_in(int ms);

/*
 * Returns whether SIGTERM has arrived. SIGTERM is delivered only during a ppoll(2) with an empty
 * signal mask.
 */
bool	bounds_is_stopped(void);

#endif
