/*
 * The monitor's signals: SIGTERM may come between a system call that has
 * failed and the look at its errno.
 */

#include "child.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "monitor/watchdog.h"

static void
stop(void *arg)
{
	(void)arg;
	watchdog_start(clock_ms() + 60000);
	/* A gate whose pair is closed: shutdown(2) fails. */
	watchdog_set_gate(0, -1);
	errno = ENOTTY;
	raise(SIGTERM);
	if (errno != ENOTTY)
		_exit(1);
}

static void
stop_leaves_errno_alone(void **state)
{
	static struct child c;

	(void)state;
	child_run(&c, stop, NULL);
	assert_int_equal(c.status, CHILD_RETURNED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stop_leaves_errno_alone),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
