/*
 * How a relay ends, with a linger time of a fraction of a second in the place of
 * a minute: whatever client and mailbox program do, it ends by itself. And
 * the bounds of a gate, which hold where its loops fail.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "gate/bounds.h"
#include "gate/relay.h"
#include "unit.h"

#define LINGER_MS	300
#define FAILURE_REPLY		"a NO [UNAVAILABLE] sorry\r\n"

/* A relay in a child, with its client and its mailbox program in this process. */
struct stage {
	pid_t	relay;
	int	client, mailbox;
};

static void
tell_nobody(enum program_output output)
{
	(void)output;
}

static int
setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	int client[2], mailbox[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, mailbox), 0);
	s->relay = fork();
	if (s->relay == 0) {
		static struct conn conn;

		close(client[0]);
		close(mailbox[0]);
		bounds_start(clock_ms() + 20000);
		conn_init(&conn, client[1], client[1], -1, clock_ms() + 20000);
		bounds_start_session();
		relay_run(&conn, mailbox[1], FAILURE_REPLY, LINGER_MS, tell_nobody);
		_exit(0);
	}
	close(client[1]);
	close(mailbox[1]);
	s->client = client[0];
	s->mailbox = mailbox[0];
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	kill(s->relay, SIGKILL);
	close(s->client);
	close(s->mailbox);
	free(s);
	return 0;
}

/* Waits for a child's end: its status, or 128 and the signal. */
static int
end_of(pid_t pid)
{
	int64_t until = clock_ms() + 20000;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_true(clock_left(until) > 0);
		poll(NULL, 0, 10);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Writes until nothing goes in any more: the other side does not read. */
static void
fill(int fd)
{
	static const char octets[4096];
	struct pollfd pfd = { fd, POLLOUT, 0 };

	while (poll(&pfd, 1, 200) == 1)
		if (send(fd, octets, sizeof(octets), MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			poll(NULL, 0, 1);
}

static void
assert_reads(int fd, const char *text)
{
	char got[256] = "";
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(got) - 1 && (n = recv(fd, got + len, sizeof(got) - 1 - len, 0)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	assert_string_equal(got, text);
}

static void
words_arrive_and_the_end_behind_them(void **state)
{
	struct stage *s = *state;

	assert_int_equal(send(s->mailbox, "a OK hello\r\n", 12, 0), 12);
	shutdown(s->mailbox, SHUT_WR);
	assert_reads(s->client, "a OK hello\r\n");
	shutdown(s->client, SHUT_WR);
	assert_int_equal(end_of(s->relay), 0);
}

static void
ends_when_the_program_has_gone_and_the_client_does_not_read(void **state)
{
	struct stage *s = *state;

	fill(s->mailbox);
	close(s->mailbox);
	assert_int_equal(end_of(s->relay), 0);
}

/* A client that reads an octet now and then does not prolong it. */
static void
ends_when_the_program_has_gone_and_the_client_reads_slowly(void **state)
{
	struct stage *s = *state;
	int64_t began = clock_ms();
	char octet;

	fill(s->mailbox);
	close(s->mailbox);
	while (waitpid(s->relay, NULL, WNOHANG) == 0) {
		assert_true(clock_ms() - began < 15000);
		recv(s->client, &octet, 1, MSG_DONTWAIT);
		poll(NULL, 0, 20);
	}
	s->relay = fork();	/* for teardown */
	if (s->relay == 0)
		pause();
}

static void
ends_when_the_client_has_gone_and_the_program_does_not_read(void **state)
{
	struct stage *s = *state;

	fill(s->client);
	shutdown(s->client, SHUT_WR);
	assert_int_equal(end_of(s->relay), 0);
}

static void
ends_when_the_client_has_gone_and_the_program_does_nothing(void **state)
{
	struct stage *s = *state;

	shutdown(s->client, SHUT_WR);
	assert_int_equal(end_of(s->relay), 0);
}

/* Each octet that moves is a new beginning: a download goes on behind the client's half-close. */
static void
goes_on_as_long_as_something_moves(void **state)
{
	struct stage *s = *state;
	int i;

	shutdown(s->client, SHUT_WR);
	for (i = 0; i < 10; i++) {
		poll(NULL, 0, LINGER_MS / 3);
		assert_int_equal(send(s->mailbox, ".", 1, MSG_NOSIGNAL), 1);
	}
	shutdown(s->mailbox, SHUT_WR);
	assert_reads(s->client, "..........");
	assert_int_equal(end_of(s->relay), 0);
}

static void
speaks_for_a_program_that_ends_without_a_word(void **state)
{
	struct stage *s = *state;

	close(s->mailbox);
	assert_reads(s->client, FAILURE_REPLY);
	shutdown(s->client, SHUT_WR);
	assert_int_equal(end_of(s->relay), 0);
}

/* SIGTERM: the program sees its client's end, and what it says then arrives. */
static void
sigterm_ends_it_in_order(void **state)
{
	struct stage *s = *state;
	char octet;

	assert_int_equal(send(s->mailbox, "x", 1, 0), 1);
	assert_int_equal(recv(s->client, &octet, 1, 0), 1);
	kill(s->relay, SIGTERM);
	assert_int_equal(recv(s->mailbox, &octet, 1, 0), 0);
	assert_int_equal(send(s->mailbox, "* BYE bye\r\n", 11, 0), 11);
	shutdown(s->mailbox, SHUT_WR);
	assert_reads(s->client, "* BYE bye\r\n");
	shutdown(s->client, SHUT_WR);
	assert_int_equal(end_of(s->relay), 0);
}

/* --- bounds */

static pid_t
in_child(void (*run)(void))
{
	const struct rlimit second = { 1, RLIM_INFINITY };
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CPU, &second);
		run();
		_exit(99);
	}
	return pid;
}

static void
spin(void)
{
	bounds_start(clock_ms() + 20000);
	for (;;)
		;
}

static void
spin_in_a_session(void)
{
	bounds_start(clock_ms() + 20000);
	bounds_start_session();
	for (;;)
		;
}

/* Two seconds of CPU in which something moves are no fault; then nothing moves. */
static void
work_in_a_session(void)
{
	struct rusage used;

	bounds_start(clock_ms() + 20000);
	bounds_start_session();
	do {
		bounds_count_octets(1000);
		getrusage(RUSAGE_SELF, &used);
	} while (used.ru_utime.tv_sec + used.ru_stime.tv_sec < 3);
	_exit(0);
}

static void
hang(void)
{
	bounds_start(clock_ms() + 20000);
	bounds_end_in(50);
	for (;;)
		pause();
}

static void
a_gate_that_spins_ends(void **state)
{
	(void)state;
	assert_int_equal(end_of(in_child(spin)), EX_SOFTWARE);
	assert_int_equal(end_of(in_child(spin_in_a_session)), EX_SOFTWARE);
}

static void
a_relay_that_works_does_not(void **state)
{
	(void)state;
	assert_int_equal(end_of(in_child(work_in_a_session)), 0);
}

static void
a_gate_that_hangs_ends(void **state)
{
	(void)state;
	assert_int_equal(end_of(in_child(hang)), 128 + SIGALRM);
}

static void
keep_deadline(void)
{
	struct itimerval left;

	bounds_start(clock_ms() + 20000);
	getitimer(ITIMER_REAL, &left);
	if (left.it_value.tv_sec < 20 || left.it_value.tv_sec > 26)
		_exit(1);
	bounds_start_session();
	getitimer(ITIMER_REAL, &left);
	_exit(left.it_value.tv_sec != 0 || left.it_value.tv_usec != 0);
}

static void
the_timer_is_the_deadline_of_the_login(void **state)
{
	(void)state;
	assert_int_equal(end_of(in_child(keep_deadline)), 0);
}

#define RELAY(test)	cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RELAY(words_arrive_and_the_end_behind_them),
		RELAY(ends_when_the_program_has_gone_and_the_client_does_not_read),
		RELAY(ends_when_the_program_has_gone_and_the_client_reads_slowly),
		RELAY(ends_when_the_client_has_gone_and_the_program_does_not_read),
		RELAY(ends_when_the_client_has_gone_and_the_program_does_nothing),
		RELAY(goes_on_as_long_as_something_moves),
		RELAY(speaks_for_a_program_that_ends_without_a_word),
		RELAY(sigterm_ends_it_in_order),
		cmocka_unit_test(a_gate_that_spins_ends),
		cmocka_unit_test(a_relay_that_works_does_not),
		cmocka_unit_test(a_gate_that_hangs_ends),
		cmocka_unit_test(the_timer_is_the_deadline_of_the_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
