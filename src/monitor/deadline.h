#ifndef IMAPGATE_MONITOR_DEADLINE_H
#define IMAPGATE_MONITOR_DEADLINE_H

/* A time limit that holds even if a PAM module hangs. */

#include <stdint.h>
#include <time.h>

/*
 * Calls the handler, as a signal handler, at this time (clock_ms()) unless timer_delete(3) comes
 * first. Uses a POSIX timer with SIGRTMIN, because PAM modules may use alarm(2). Dies if there
 * is none.
 */
timer_t	deadline_start(int64_t at, void (*handler)(int));

#endif
