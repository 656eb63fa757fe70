#ifndef IMAPGATE_GATE_BOUNDS_H
#define IMAPGATE_GATE_BOUNDS_H

/*
 * Bounds of a gate that hold whatever its own loops do: the kernel keeps them
 * (setrlimit(2), setitimer(2)). A fault that would spin or wait for ever then
 * costs seconds.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Sets the bounds of a connection: at most 10 seconds of CPU, and
 * the end of this process a moment behind the deadline (clock_ms()). Blocks
 * SIGTERM, which is the monitor's to obey before the login. Call it before
 * the sandbox is entered. Dies if the kernel refuses.
 */
void	bounds_start(int64_t deadline);

/* Changes over to the bounds of a session: no deadline, and each second of CPU has to move octets (bounds_moved). */
void	bounds_start_session(void);

/* Counts octets that the relay has moved. */
void	bounds_moved(uint64_t octets);

/* Ends this process so many milliseconds from now, whatever it does then. */
void	bounds_end_in(int ms);

/* True once SIGTERM has come. It can come only inside ppoll(2) with an empty signal mask. */
bool	bounds_is_stopped(void);

#endif
