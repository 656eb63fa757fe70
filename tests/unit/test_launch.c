/* The start of the mailbox program: a failure is logged with its own cause. */

#include "child.h"

#include <errno.h>

#include "base/log.h"
#include "monitor/launch.h"

struct launch {
	const char	*program;
	const char	*argument;	/* or NULL */
	int		 err_fd;
};

static void
launch(void *arg)
{
	const struct launch *l = arg;
	char *program[] = { (char *)(uintptr_t)l->program, (char *)(uintptr_t)l->argument, NULL };
	static struct options o;
	static struct account a;
	static struct peer peer;
	static struct msg_tls tls;

	log_open(LOG_TO_STDERR);
	o.program = program;
	errno = EMFILE;
	launch_exec(&o, &a, &(struct environment_facts){ &o, &peer, &a, &tls, "a", "LOGIN", NULL }, NULL, l->err_fd);
}

static void
expect_failure(struct launch l, int error)
{
	static struct child c;

	child_run(&c, launch, &l);
	assert_int_equal(c.status, CHILD_RETURNED);
	assert_non_null(strstr(c.err, strerror(error)));
	assert_non_null(strstr(c.err, l.program));
	assert_int_equal(strncmp(c.out, "a NO ", 5), 0);
}

static void
failure_is_logged_with_its_cause(void **state)
{
	static char argument[64 * 1024];

	(void)state;
	memset(argument, 'x', sizeof(argument) - 1);
	expect_failure((struct launch){ "/nonexistent/imap", NULL, STDERR_FILENO }, ENOENT);
	expect_failure((struct launch){ "/bin/sh", argument, STDERR_FILENO }, E2BIG);
	expect_failure((struct launch){ "/bin/sh", NULL, -1 }, EMFILE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_is_logged_with_its_cause),
	};

	return cmocka_run_group_tests_name("launch", tests, NULL, NULL);
}
