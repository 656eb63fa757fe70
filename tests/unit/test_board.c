/*
 * The board that a listener and its monitors share: who is counted as whom,
 * what is refused, and that it is as it should be after forks, deaths and the
 * listener's own renewal. SECURITY: and that a gate has nothing of it.
 */

#include "child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "board.h"
#include "failures.h"

/* Two clients' networks. */
#define HERE	UINT64_C(0xffff01020304)
#define THERE	UINT64_C(0x20010db800000001)

#define NOW	INT64_C(1000000)

static struct board *b;
static struct options o;

static int
make_board(void **state)
{
	(void)state;
	b = board_open(-1);
	o = (struct options){
		.max_connections = 5,
		.max_connections_per_address = 3,
		.max_sessions = 4,
		.max_sessions_per_address = 2,
		.max_sessions_per_user = 100,
	};
	return 0;
}

static int
drop_board(void **state)
{
	struct board_seat seat = { b, NULL };

	(void)state;
	close(board_fd(b));
	board_detach(&seat);
	return 0;
}

static struct board_seat
sit_down(uint64_t network)
{
	struct board_seat seat;

	assert_int_equal(board_admit(b, &o, network, &seat), BOARD_UNLIMITED);
	return seat;
}

/* As a listener whose child has this pid. */
static struct board_seat
enter(uint64_t network, pid_t pid)
{
	struct board_seat seat = sit_down(network);

	board_enter(&seat, pid);
	return seat;
}

static void
assert_refused(uint64_t network, enum board_limit limit)
{
	struct board_seat seat;

	assert_int_equal(board_admit(b, &o, network, &seat), limit);
}

static void
assert_counts(unsigned connections, unsigned sessions)
{
	struct board_counts c = board_count(b);

	assert_int_equal(c.connections, connections);
	assert_int_equal(c.sessions, sessions);
}

/* --- who is counted as whom */

static uint64_t
network_of(const char *text)
{
	uint8_t address[NETWORK_ADDRESS];

	assert_true(network_read_ipv4(address, text) || network_read_ipv6(address, text));
	return board_network(&o, address);
}

static void
addresses_are_counted_as_networks(void **state)
{
	static const struct {
		const char	*one, *other;
		bool		 same;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
		{ "2001:db8::1", "fe80::1", false },
		{ "0.0.0.1", "::1", false },
		{ "192.0.2.1", "0:0:0:1::", false },
	};
	size_t i;

	(void)state;
	o.unlimiteds = 0;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(network_of(cases[i].one), 0);
		assert_int_equal(network_of(cases[i].one) == network_of(cases[i].other), cases[i].same);
	}
}

static void
who_is_unlimited_is_nobody_in_particular(void **state)
{
	(void)state;
	assert_true(network_parse(&o.unlimited[0], "127.0.0.0/8"));
	assert_true(network_parse(&o.unlimited[1], "2001:db8::/32"));
	o.unlimiteds = 2;
	assert_int_equal(network_of("127.0.0.1"), 0);
	assert_int_equal(network_of("::"), 0);
	assert_int_equal(network_of("127.255.0.3"), 0);
	assert_int_equal(network_of("::ffff:127.0.0.1"), 0);
	assert_int_equal(network_of("2001:db8:1::1"), 0);
	assert_int_not_equal(network_of("128.0.0.1"), 0);
	assert_int_not_equal(network_of("2001:db9::1"), 0);
	assert_int_not_equal(network_of("::1"), 0);
}

static void
without_a_list_this_host_is_one_network(void **state)
{
	(void)state;
	o.unlimiteds = 0;
	assert_int_equal(network_of("127.0.0.1"), BOARD_LOCAL);
	assert_int_equal(network_of("127.255.0.3"), BOARD_LOCAL);
	assert_int_equal(network_of("::1"), BOARD_LOCAL);
	assert_int_not_equal(network_of("128.0.0.1"), BOARD_LOCAL);
	assert_int_equal(network_of("::"), 0);
}

/* --- limits */

static void
this_host_leaves_room_for_others(void **state)
{
	struct board_seat seats[4], other;
	size_t i;

	(void)state;
	o.max_sessions_per_address = 1;
	for (i = 0; i < 4; i++)
		seats[i] = sit_down(BOARD_LOCAL);
	assert_refused(BOARD_LOCAL, BOARD_MAX_CONNECTIONS_PER_ADDRESS);
	other = sit_down(HERE);
	for (i = 0; i < 3; i++)
		assert_int_equal(board_log_in(&seats[i], &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&seats[3], &o, "joe", "joe"), BOARD_MAX_SESSIONS_PER_ADDRESS);
	assert_int_equal(board_failed(&seats[3], "joe", "old", NOW), 0);
	assert_int_equal(board_log_in(&other, &o, "joe", "joe"), BOARD_UNLIMITED);
}

/* The account's name counts, not the one that it was asked for by; and so it does with a new listener in the old one's place. */
static void
sessions_of_one_user_are_limited(void **state)
{
	struct board_seat seats[4] = { sit_down(HERE), sit_down(THERE), sit_down(0), sit_down(0) };

	(void)state;
	o.max_sessions_per_user = 2;
	assert_int_equal(board_log_in(&seats[0], &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&seats[1], &o, "JOE", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&seats[2], &o, "joe", "joe"), BOARD_MAX_SESSIONS_PER_USER);
	b = board_open(dup(board_fd(b)));
	seats[2].board = seats[3].board = b;
	assert_int_equal(board_log_in(&seats[3], &o, "joe", "joe"), BOARD_MAX_SESSIONS_PER_USER);
	assert_int_equal(board_log_in(&seats[3], &o, "joe", "ann"), BOARD_UNLIMITED);
}

/* For the listener's lines about a child that has ended. */
static void
client_of_a_child_is_known_until_it_leaves(void **state)
{
	struct board_seat joe = enter(HERE, 101), other = enter(THERE, 102);
	struct board_client client;

	(void)state;
	board_describe(&joe, "192.0.2.7");
	assert_true(board_find(b, 101, &client));
	assert_string_equal(client.address, "192.0.2.7");
	assert_string_equal(client.user, "");
	assert_int_equal(client.began, 0);
	assert_int_equal(board_log_in(&joe, &o, "JOE", "joe"), BOARD_UNLIMITED);
	assert_true(board_find(b, 101, &client));
	assert_string_equal(client.user, "joe");
	assert_int_not_equal(client.began, 0);
	o.max_sessions = 1;
	assert_int_equal(board_log_in(&other, &o, "ann", "ann"), BOARD_MAX_SESSIONS);
	assert_true(board_find(b, 102, &client));
	assert_string_equal(client.address, "");
	assert_string_equal(client.user, "");
	assert_int_equal(client.began, 0);
	assert_false(board_find(b, 103, &client));
	assert_int_equal(client.began, 0);
	/* Whoever has the place next is somebody else. */
	board_leave(b, 101);
	assert_false(board_find(b, 101, &client));
	enter(HERE, 104);
	assert_true(board_find(b, 104, &client));
	assert_string_equal(client.address, "");
	assert_string_equal(client.user, "");
}

static void
long_names_are_cut(void **state)
{
	struct board_seat seat = enter(HERE, 101);
	struct board_client client;
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	board_describe(&seat, name);
	assert_int_equal(board_log_in(&seat, &o, name, name), BOARD_UNLIMITED);
	assert_true(board_find(b, 101, &client));
	assert_int_equal(strlen(client.address), sizeof(client.address) - 1);
	assert_int_equal(strlen(client.user), sizeof(client.user) - 1);
}

static void
connections_of_one_address_are_limited(void **state)
{
	(void)state;
	sit_down(HERE);
	sit_down(HERE);
	sit_down(HERE);
	assert_refused(HERE, BOARD_MAX_CONNECTIONS_PER_ADDRESS);
	sit_down(THERE);
	assert_counts(4, 0);
	assert_int_equal(board_count(b).refusals, 1);
}

static void
connections_are_limited(void **state)
{
	(void)state;
	sit_down(HERE);
	sit_down(HERE);
	sit_down(HERE);
	sit_down(THERE);
	sit_down(0);
	assert_refused(THERE, BOARD_MAX_CONNECTIONS);
	assert_refused(0, BOARD_MAX_CONNECTIONS);
	assert_counts(5, 0);
}

static void
those_without_address_are_limited_together_only(void **state)
{
	struct board_seat seats[5];
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		seats[i] = sit_down(0);
	for (i = 0; i < 4; i++)
		assert_int_equal(board_log_in(&seats[i], &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&seats[4], &o, "joe", "joe"), BOARD_MAX_SESSIONS);
}

static void
who_logs_in_is_no_connection_any_more(void **state)
{
	struct board_seat seat = sit_down(HERE);

	(void)state;
	sit_down(HERE);
	sit_down(HERE);
	assert_refused(HERE, BOARD_MAX_CONNECTIONS_PER_ADDRESS);
	assert_int_equal(board_log_in(&seat, &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_counts(2, 1);
	sit_down(HERE);
}

static void
sessions_are_limited(void **state)
{
	struct board_seat here[3] = { sit_down(HERE), sit_down(HERE), sit_down(HERE) };
	struct board_seat there[2] = { sit_down(THERE), sit_down(THERE) }, other;

	(void)state;
	assert_int_equal(board_log_in(&here[0], &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&here[1], &o, "ann", "ann"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&here[2], &o, "joe", "joe"), BOARD_MAX_SESSIONS_PER_ADDRESS);
	assert_counts(3, 2);
	assert_int_equal(board_log_in(&there[0], &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&there[1], &o, "joe", "joe"), BOARD_UNLIMITED);
	other = sit_down(HERE + 1);
	assert_int_equal(board_log_in(&other, &o, "joe", "joe"), BOARD_MAX_SESSIONS);
	assert_counts(2, 4);
	assert_int_equal(board_count(b).logins, 4);
	assert_int_equal(board_count(b).refusals, 2);
}

static void
who_comes_by_a_proxy_is_counted_as_himself(void **state)
{
	struct board_seat seat = sit_down(0);

	(void)state;
	assert_int_equal(board_move(&seat, &o, HERE), BOARD_UNLIMITED);
	sit_down(HERE);
	sit_down(HERE);
	assert_refused(HERE, BOARD_MAX_CONNECTIONS_PER_ADDRESS);
	seat = sit_down(0);
	assert_int_equal(board_move(&seat, &o, HERE), BOARD_MAX_CONNECTIONS_PER_ADDRESS);
}

static void
limits_have_the_names_of_their_options(void **state)
{
	(void)state;
	assert_string_equal(board_limit_name(BOARD_MAX_CONNECTIONS), "max-connections");
	assert_string_equal(board_limit_name(BOARD_MAX_CONNECTIONS_PER_ADDRESS), "max-connections-per-address");
	assert_string_equal(board_limit_name(BOARD_MAX_SESSIONS), "max-sessions");
	assert_string_equal(board_limit_name(BOARD_MAX_SESSIONS_PER_ADDRESS), "max-sessions-per-address");
	assert_string_equal(board_limit_name(BOARD_SHUTDOWN), "shutdown");
}

/* --- coming and going */

static void
ends_make_room(void **state)
{
	struct board_seat seat;

	(void)state;
	enter(HERE, 101);
	enter(HERE, 102);
	seat = enter(HERE, 103);
	assert_int_equal(board_log_in(&seat, &o, "joe", "joe"), BOARD_UNLIMITED);
	board_leave(b, 102);
	assert_counts(1, 1);
	board_leave(b, 103);
	assert_counts(1, 0);
	board_leave(b, 102);
	board_leave(b, 999);
	assert_counts(1, 0);
	board_leave(b, 101);
	assert_counts(0, 0);
}

static void
fork_that_fails_leaves_nothing(void **state)
{
	struct board_seat seat;
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		seat = sit_down(HERE);
		board_cancel(&seat);
	}
	assert_counts(0, 0);
}

static void
slots_are_used_again(void **state)
{
	pid_t pid;
	int round;

	(void)state;
	o.max_connections = BOARD_SLOTS + 1;
	for (round = 0; round < 2; round++) {
		for (pid = 1; pid <= 300; pid++)
			enter(0, pid);
		for (pid = 300; pid > 0; pid -= 2)
			board_leave(b, pid);
		assert_counts(150, 0);
		for (pid = 1; pid <= 300; pid += 2)
			board_leave(b, pid);
		assert_counts(0, 0);
	}
}

static pid_t
wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The child may have ended before its pid stands on the board; nobody asks for it before. */
static void
child_that_dies_at_once_leaves_nothing(void **state)
{
	struct board_seat seat = sit_down(HERE);
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	usleep(20000);
	board_enter(&seat, pid);
	assert_int_equal(wait_for(pid), 0);
	board_leave(b, pid);
	assert_counts(0, 0);
}

static void
monitors_write_and_the_listener_reads(void **state)
{
	struct board_seat seat = sit_down(HERE);
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(board_log_in(&seat, &o, "joe", "joe") == BOARD_UNLIMITED ? 0 : 1);
	board_enter(&seat, pid);
	assert_int_equal(wait_for(pid), 0);
	assert_counts(0, 1);
	board_leave(b, pid);
	assert_counts(0, 0);
}

/* Eight log in at the same time where two may. */
static void
sessions_are_never_too_many(void **state)
{
	struct board_seat seat;
	pid_t pids[8];
	int i, in = 0;

	(void)state;
	o.max_connections = o.max_connections_per_address = 8;
	for (i = 0; i < 8; i++) {
		seat = sit_down(HERE);
		pids[i] = fork();
		if (pids[i] == 0) {
			while (board_log_in(&seat, &o, "joe", "joe") != BOARD_UNLIMITED)
				if (board_count(b).sessions == 2)
					_exit(1);
			_exit(0);
		}
		board_enter(&seat, pids[i]);
	}
	for (i = 0; i < 8; i++)
		in += wait_for(pids[i]) == 0;
	assert_int_equal(in, 2);
	assert_counts(6, 2);
}

static void
those_not_logged_in_are_sent_away(void **state)
{
	struct board_seat seats[2];
	pid_t pids[2];
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		seats[i] = sit_down(HERE);
		pids[i] = fork();
		if (pids[i] == 0) {
			pause();
			_exit(0);
		}
		board_enter(&seats[i], pids[i]);
	}
	assert_int_equal(board_log_in(&seats[1], &o, "joe", "joe"), BOARD_UNLIMITED);
	board_dismiss(b);
	assert_int_equal(board_log_in(&seats[0], &o, "joe", "joe"), BOARD_SHUTDOWN);
	assert_counts(1, 1);
	assert_int_equal(wait_for(pids[0]), 128 + SIGTERM);
	assert_int_equal(waitpid(pids[1], NULL, WNOHANG), 0);
	kill(pids[1], SIGKILL);
	assert_int_equal(wait_for(pids[1]), 128 + SIGKILL);
}

/* --- the listener executes itself anew */

/* Who maps a file that another makes shorter dies of SIGBUS. */
static void
memory_has_the_size_that_it_has(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(board_fd(b), 100), -1);
	assert_int_equal(ftruncate(board_fd(b), 1 << 30), -1);
}

static void
board_is_taken_over(void **state)
{
	struct board_seat seat = enter(HERE, 101), next;
	int fd = dup(board_fd(b));
	struct board *old = b;

	(void)state;
	assert_int_equal(fcntl(board_fd(b), F_GETFD), FD_CLOEXEC);
	enter(HERE, 102);
	assert_int_equal(board_log_in(&seat, &o, "joe", "joe"), BOARD_UNLIMITED);
	b = board_open(fd);
	assert_int_equal(board_fd(b), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_counts(1, 1);
	next = enter(HERE, 103);
	assert_ptr_not_equal(next.slot, seat.slot);
	board_leave(b, 101);
	board_leave(b, 102);
	assert_counts(1, 0);
	close(board_fd(old));
	board_detach(&(struct board_seat){ old, NULL });
}

static void
what_is_no_board_is_not_taken_over(void **state)
{
	int fds[2] = { open("/dev/null", O_RDWR), memfd_create("x", 0) };
	size_t i;

	(void)state;
	assert_int_equal(ftruncate(fds[1], lseek(board_fd(b), 0, SEEK_END)), 0);
	for (i = 0; i < 2; i++) {
		drop_board(NULL);
		b = board_open(fds[i]);
		sit_down(HERE);
		assert_counts(1, 0);
	}
}

/* --- failures */

static void
passwords_make_the_difference(void **state)
{
	struct board_seat seat = sit_down(HERE), other = sit_down(THERE);

	(void)state;
	assert_int_equal(board_failed(&seat, "joe", "old", NOW), 1);
	assert_int_equal(board_failed(&seat, "joe", "old", NOW), 1);
	assert_int_equal(board_failed(&seat, "joe", "", NOW), 2);
	assert_int_equal(board_failed(&seat, "joe", "Old", NOW), 3);
	assert_int_equal(board_failed(&seat, "joeo", "ld", NOW), 4);
	assert_int_equal(board_failed(&seat, "", "joeold", NOW), 5);
	assert_int_equal(board_failed(&other, "joe", "old", NOW), 1);
	assert_int_equal(board_failed(&seat, "joe", "old", NOW + FAILURES_KEPT_MS), 1);
	assert_int_equal(board_count(b).failures, 8);
}

static void
success_forgives(void **state)
{
	struct board_seat seat = sit_down(HERE), other = sit_down(HERE);

	(void)state;
	board_failed(&seat, "joe", "a", NOW);
	board_failed(&seat, "joe", "b", NOW);
	board_failed(&seat, "ann", "c", NOW);
	assert_int_equal(board_log_in(&seat, &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_failed(&other, "ann", "c", NOW), 1);
	assert_int_equal(board_failed(&other, "joe", "a", NOW), 2);
}

static void
failures_without_address_are_not_remembered(void **state)
{
	struct board_seat seat = sit_down(0);

	(void)state;
	assert_int_equal(board_failed(&seat, "joe", "a", NOW), 0);
	assert_int_equal(board_count(b).failures, 1);
}

/* Numbers alone: neither the name nor the password is in the shared memory. */
static void
passwords_are_not_on_the_board(void **state)
{
	struct board_seat seat = sit_down(HERE);
	size_t size = (size_t)lseek(board_fd(b), 0, SEEK_END);
	char *copy = malloc(size);

	(void)state;
	board_failed(&seat, "josephine", "sesame12", NOW);
	assert_int_equal(pread(board_fd(b), copy, size, 0), size);
	assert_null(memmem(copy, size, "josephine", 9));
	assert_null(memmem(copy, size, "sesame12", 8));
	free(copy);
}

/* --- without one, and out of reach */

static void
without_a_listener_nothing_is_counted(void **state)
{
	struct board_seat seat = { NULL, NULL };

	(void)state;
	board_hide(&seat);
	board_detach(&seat);
	assert_int_equal(board_move(&seat, &o, HERE), BOARD_UNLIMITED);
	assert_int_equal(board_log_in(&seat, &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_failed(&seat, "joe", "x", NOW), 0);
}

/* What a gate that was taken over would try: each ends in SIGSEGV, or under a sanitizer in its report. */
static void
read_slot(void *seat)
{
	volatile char *at = (char *)((struct board_seat *)seat)->slot;

	(void)*at;
}

static void
read_key(void *seat)
{
	volatile char *at = (char *)((struct board_seat *)seat)->board;

	(void)*at;
}

static void
gate_has_neither_board_nor_key(void **state)
{
	static struct child child;
	void (*const tries[])(void *) = { read_slot, read_key };
	struct board_seat seat;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		seat = sit_down(HERE);
		child_run(&child, tries[i], &seat);
		assert_int_equal(child.status, CHILD_RETURNED);
	}
	board_hide(&seat);
	for (i = 0; i < 2; i++) {
		child_run(&child, tries[i], &seat);
		assert_int_not_equal(child.status, CHILD_RETURNED);
		assert_int_not_equal(child.status, 0);
	}
	/* The monitor itself has it still. */
	assert_int_equal(board_log_in(&seat, &o, "joe", "joe"), BOARD_UNLIMITED);
	assert_int_equal(board_fd(b), -1);
}

#define WITH_BOARD(t)	cmocka_unit_test_setup_teardown(t, make_board, drop_board)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_counted_as_networks),
		cmocka_unit_test(who_is_unlimited_is_nobody_in_particular),
		cmocka_unit_test(without_a_list_this_host_is_one_network),
		WITH_BOARD(this_host_leaves_room_for_others),
		WITH_BOARD(sessions_of_one_user_are_limited),
		WITH_BOARD(client_of_a_child_is_known_until_it_leaves),
		WITH_BOARD(long_names_are_cut),
		WITH_BOARD(connections_of_one_address_are_limited),
		WITH_BOARD(connections_are_limited),
		WITH_BOARD(those_without_address_are_limited_together_only),
		WITH_BOARD(who_logs_in_is_no_connection_any_more),
		WITH_BOARD(sessions_are_limited),
		WITH_BOARD(who_comes_by_a_proxy_is_counted_as_himself),
		cmocka_unit_test(limits_have_the_names_of_their_options),
		WITH_BOARD(ends_make_room),
		WITH_BOARD(fork_that_fails_leaves_nothing),
		WITH_BOARD(slots_are_used_again),
		WITH_BOARD(child_that_dies_at_once_leaves_nothing),
		WITH_BOARD(monitors_write_and_the_listener_reads),
		WITH_BOARD(sessions_are_never_too_many),
		WITH_BOARD(those_not_logged_in_are_sent_away),
		WITH_BOARD(memory_has_the_size_that_it_has),
		WITH_BOARD(board_is_taken_over),
		WITH_BOARD(what_is_no_board_is_not_taken_over),
		WITH_BOARD(passwords_make_the_difference),
		WITH_BOARD(success_forgives),
		WITH_BOARD(failures_without_address_are_not_remembered),
		WITH_BOARD(passwords_are_not_on_the_board),
		WITH_BOARD(without_a_listener_nothing_is_counted),
		WITH_BOARD(gate_has_neither_board_nor_key),
	};

	return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
