/* Deadlines, see deadline.h. Run by the monitor and the PAM keeper, as root. */

#include "monitor/deadline.h"

#include <signal.h>

#include "base/log.h"

timer_t
deadline_start(int64_t at, void (*handler)(int))
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct sigaction action = { .sa_handler = handler };
	struct itimerspec when = { .it_value = { at / 1000, at % 1000 * 1000000 } };
	timer_t timer;

	if (sigaction(SIGRTMIN, &action, NULL) == -1 || timer_create(CLOCK_MONOTONIC, &event, &timer) == -1 ||
	    timer_settime(timer, TIMER_ABSTIME, &when, NULL) == -1)
		die("timer");
	return timer;
}
