#ifndef IMAPGATE_MONITOR_DEADLINE_H
#define IMAPGATE_MONITOR_DEADLINE_H

/* A time by which something must be over, though a PAM module may hang in it. */

#include <stdint.h>
#include <time.h>

/*
 * Calls the handler at that time (clock_ms), as a signal handler, until
 * timer_delete(3). The timer is one of its own, with a signal of its own
 * (SIGRTMIN): PAM modules may use alarm(2). Dies if there is none to be had.
 */
timer_t	deadline_start(int64_t at, void (*handler)(int));

#endif
