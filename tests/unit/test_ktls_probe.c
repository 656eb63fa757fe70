/*
 * Whether the kernel can have TLS: what is asked must agree with what the
 * kernel tells of itself, whichever it is. tests/vm runs this too, where it can.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/ktls_probe.h"
#include "unit.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_try_agrees_with_the_kernel),
		cmocka_unit_test(test_try_leaves_no_descriptor),
		cmocka_unit_test(test_not_connected),
		cmocka_unit_test(test_not_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
