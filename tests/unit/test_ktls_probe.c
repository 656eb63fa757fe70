/*
 * Whether the kernel can have TLS: what is asked must agree with what the
 * kernel tells of itself, whichever it is. tests/vm runs this too, where it can.
 */

#include "child.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>

#include "tls/ktls_probe.h"

/* The linker's names for what is replaced, and for what replaces it. */
int	__real_setsockopt(int, int, int, const void *, socklen_t);
int	__wrap_setsockopt(int, int, int, const void *, socklen_t);
int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);

static int obstacle_errno;	/* of a kernel that is played; 0: the real one */
static unsigned asked;		/* how often the kernel was */
static time_t ahead;		/* of the real clock */

int
__wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (option == TCP_ULP)
		asked++;
	if (option != TCP_ULP || obstacle_errno == 0)
		return __real_setsockopt(fd, level, option, value, len);
	errno = obstacle_errno;
	return -1;
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = __real_clock_gettime(id, ts);

	ts->tv_sec += ahead;
	return result;
}

/* Once a module was asked for: is it there? */
static bool
kernel_has_tls(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
	char names[256] = "";

	if (f == NULL)
		return false;
	(void)!fgets(names, sizeof(names), f);
	fclose(f);
	return strstr(names, "tls") != NULL;
}

static void
test_try_agrees_with_the_kernel(void **state)
{
	enum ktls_obstacle obstacle = ktls_probe_kernel();

	(void)state;
	if (obstacle == OBSTACLE_MODULE)
		assert_int_equal(errno, ENOENT);
	assert_int_equal(obstacle, kernel_has_tls() ? OBSTACLE_NONE : OBSTACLE_MODULE);
}

static void
test_try_leaves_no_descriptor(void **state)
{
	int before = dup(STDIN_FILENO), after;

	(void)state;
	close(before);
	ktls_probe_kernel();
	after = dup(STDIN_FILENO);
	close(after);
	assert_int_equal(after, before);
}

static void
test_not_connected(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(ktls_probe_socket(fd), kernel_has_tls() ? OBSTACLE_HALF_CLOSED : OBSTACLE_MODULE);
	close(fd);
}

static void
test_not_tcp(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(ktls_probe_socket(pair[0]), OBSTACLE_MODULE);
	close(pair[0]);
	close(pair[1]);
}

/* A look for a module that is missing is a process of the kernel's, for which all connections would wait. */
static void
look_for_a_missing_module(void *arg)
{
	int i;

	obstacle_errno = *(int *)arg;
	/* The findings of earlier tests are too old. */
	ahead += 3600;
	asked = 0;
	for (i = 0; i < 100; i++)
		if (ktls_probe_socket(STDIN_FILENO) != (obstacle_errno == ENOTCONN ? OBSTACLE_HALF_CLOSED : OBSTACLE_MODULE))
			_exit(1);
	printf("%u", asked);
	ahead += 61;
	ktls_probe_socket(STDIN_FILENO);
	printf(" %u", asked);
}

static void
test_missing_module_is_looked_for_once_a_minute(void **state)
{
	static struct child c;

	(void)state;
	child_run(&c, look_for_a_missing_module, &(int){ ENOENT });
	assert_int_equal(c.status, CHILD_RETURNED);
	assert_string_equal(c.out, "1 2");
	/* The trouble of one socket is not remembered for others. */
	child_run(&c, look_for_a_missing_module, &(int){ ENOTCONN });
	assert_int_equal(c.status, CHILD_RETURNED);
	assert_string_equal(c.out, "100 101");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_try_agrees_with_the_kernel),
		cmocka_unit_test(test_try_leaves_no_descriptor),
		cmocka_unit_test(test_not_connected),
		cmocka_unit_test(test_not_tcp),
		cmocka_unit_test(test_missing_module_is_looked_for_once_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
