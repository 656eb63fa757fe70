/*
 * The listener's table: who is counted as whom, what is refused, and that it
 * is as it should be after ends and the listener's own renewal. SECURITY: and
 * that no other process has anything of it.
 */

#include "child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "listener/connections.h"
#include "listener/failures.h"

/* Two clients' networks. */
#define HERE	UINT64_C(0xffff01020304)
#define THERE	UINT64_C(0x20010db800000001)

#define NOW	INT64_C(1000000)

static struct options o;

static int
make_table(void **state)
{
	(void)state;
	connections_open(-1);
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
drop_table(void **state)
{
	(void)state;
	close(connections_fd());
	return 0;
}

static struct connection *
come(uint64_t network)
{
	struct connection *c;

	assert_int_equal(connections_reserve(&o, network, &c), LIMIT_NONE);
	return c;
}

/* With a monitor of this pid. */
static struct connection *
enter(uint64_t network, pid_t pid)
{
	struct connection *c = come(network);

	connections_set_pid(c, &c->monitor, pid);
	return c;
}

/* A number for a word, as a monitor would make it. */
static uint64_t
number(const char *word)
{
	uint64_t n = 5381;

	for (; *word != '\0'; word++)
		n = n * 33 + (unsigned char)*word;
	return n * 2;
}

static enum msg_limit
log_in(struct connection *c, const char *user, const char *account)
{
	struct msg_logged_in login = { .user = number(user), .account = number(account) };

	strcpy(login.name, account);
	return connections_log_in(c, &o, &login);
}

static unsigned
fail_at(const struct connection *c, const char *user, const char *attempt, int64_t when)
{
	return connections_failed(c, &(struct msg_failed){ .user = number(user), .attempt = number(attempt), .when = when });
}

static void
leave(pid_t pid)
{
	struct connection *c;

	if (connections_set_ended(pid, 0, &c) != NULL)
		connections_release(c);
}

static void
assert_refused(uint64_t network, enum msg_limit limit)
{
	struct connection *c;

	assert_int_equal(connections_reserve(&o, network, &c), limit);
}

static void
assert_counts(unsigned waiting, unsigned sessions)
{
	struct connections_count c = connections_count();

	assert_int_equal(c.waiting, waiting);
	assert_int_equal(c.sessions, sessions);
}

/* --- who is counted as whom */

static uint64_t
network_of(const char *text)
{
	uint8_t address[NETWORK_ADDRESS_LEN];

	assert_true(network_read_ipv4(address, text) || network_read_ipv6(address, text));
	return connections_network(&o, address);
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
	o.n_unlimited = 0;
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
	o.n_unlimited = 2;
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
	o.n_unlimited = 0;
	assert_int_equal(network_of("127.0.0.1"), NETWORK_LOCAL);
	assert_int_equal(network_of("127.255.0.3"), NETWORK_LOCAL);
	assert_int_equal(network_of("::1"), NETWORK_LOCAL);
	assert_int_not_equal(network_of("128.0.0.1"), NETWORK_LOCAL);
	assert_int_equal(network_of("::"), 0);
}

/* --- limits */

static void
this_host_leaves_room_for_others(void **state)
{
	struct connection *seats[4], *other;
	size_t i;

	(void)state;
	o.max_sessions_per_address = 1;
	for (i = 0; i < 4; i++)
		seats[i] = come(NETWORK_LOCAL);
	assert_refused(NETWORK_LOCAL, LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
	other = come(HERE);
	for (i = 0; i < 3; i++)
		assert_int_equal(log_in(seats[i], "joe", "joe"), LIMIT_NONE);
	assert_int_equal(log_in(seats[3], "joe", "joe"), LIMIT_MAX_SESSIONS_PER_ADDRESS);
	assert_int_equal(fail_at(seats[3], "joe", "old", NOW), 0);
	assert_int_equal(log_in(other, "joe", "joe"), LIMIT_NONE);
}

/* The account's name counts, not the one that it was asked for by; and so it does with a new listener in the old one's place. */
static void
sessions_of_one_user_are_limited(void **state)
{
	struct connection *first = come(HERE), *second = come(THERE), *third = come(0), *fourth = come(0);
	uint32_t slot = fourth->slot;

	(void)state;
	o.max_sessions_per_user = 2;
	assert_int_equal(log_in(first, "joe", "joe"), LIMIT_NONE);
	assert_int_equal(log_in(second, "JOE", "joe"), LIMIT_NONE);
	assert_int_equal(log_in(third, "joe", "joe"), LIMIT_MAX_SESSIONS_PER_USER);
	assert_true(connections_open(dup(connections_fd())));
	fourth = connections_at(slot);
	assert_int_equal(log_in(fourth, "joe", "joe"), LIMIT_MAX_SESSIONS_PER_USER);
	assert_int_equal(log_in(fourth, "joe", "ann"), LIMIT_NONE);
}

static void
connections_of_one_address_are_limited(void **state)
{
	(void)state;
	come(HERE);
	come(HERE);
	come(HERE);
	assert_refused(HERE, LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
	come(THERE);
	assert_counts(4, 0);
	assert_int_equal(connections_count().refusals, 1);
}

static void
connections_are_limited(void **state)
{
	(void)state;
	come(HERE);
	come(HERE);
	come(HERE);
	come(THERE);
	come(0);
	assert_refused(THERE, LIMIT_MAX_CONNECTIONS);
	assert_refused(0, LIMIT_MAX_CONNECTIONS);
	assert_counts(5, 0);
}

static void
those_without_address_are_limited_together_only(void **state)
{
	struct connection *seats[5];
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		seats[i] = come(0);
	for (i = 0; i < 4; i++)
		assert_int_equal(log_in(seats[i], "joe", "joe"), LIMIT_NONE);
	assert_int_equal(log_in(seats[4], "joe", "joe"), LIMIT_MAX_SESSIONS);
}

static void
who_logs_in_is_no_connection_any_more(void **state)
{
	struct connection *seat = come(HERE);

	(void)state;
	come(HERE);
	come(HERE);
	assert_refused(HERE, LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
	assert_int_equal(log_in(seat, "joe", "joe"), LIMIT_NONE);
	assert_counts(2, 1);
	come(HERE);
}

static void
sessions_are_limited(void **state)
{
	struct connection *here[3] = { come(HERE), come(HERE), come(HERE) };
	struct connection *there[2] = { come(THERE), come(THERE) }, *other;

	(void)state;
	assert_int_equal(log_in(here[0], "joe", "joe"), LIMIT_NONE);
	assert_int_equal(log_in(here[1], "ann", "ann"), LIMIT_NONE);
	assert_int_equal(log_in(here[2], "joe", "joe"), LIMIT_MAX_SESSIONS_PER_ADDRESS);
	assert_counts(3, 2);
	assert_int_equal(log_in(there[0], "joe", "joe"), LIMIT_NONE);
	assert_int_equal(log_in(there[1], "joe", "joe"), LIMIT_NONE);
	other = come(HERE + 1);
	assert_int_equal(log_in(other, "joe", "joe"), LIMIT_MAX_SESSIONS);
	assert_counts(2, 4);
	assert_int_equal(connections_count().logins, 4);
	assert_int_equal(connections_count().refusals, 2);
}

static void
who_comes_by_a_proxy_is_counted_as_himself(void **state)
{
	struct connection *seat = come(0);

	(void)state;
	assert_int_equal(connections_set_network(seat, &o, HERE), LIMIT_NONE);
	come(HERE);
	come(HERE);
	assert_refused(HERE, LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
	seat = come(0);
	assert_int_equal(connections_set_network(seat, &o, HERE), LIMIT_MAX_CONNECTIONS_PER_ADDRESS);
}

static void
limits_have_the_names_of_their_options(void **state)
{
	(void)state;
	assert_string_equal(msg_limit_name(LIMIT_MAX_CONNECTIONS), "max-connections");
	assert_string_equal(msg_limit_name(LIMIT_MAX_CONNECTIONS_PER_ADDRESS), "max-connections-per-address");
	assert_string_equal(msg_limit_name(LIMIT_MAX_SESSIONS), "max-sessions");
	assert_string_equal(msg_limit_name(LIMIT_MAX_SESSIONS_PER_ADDRESS), "max-sessions-per-address");
	assert_string_equal(msg_limit_name(LIMIT_SHUTDOWN), "shutdown");
}

/* --- coming and going */

static void
ends_make_room(void **state)
{
	struct connection *seat;

	(void)state;
	enter(HERE, 101);
	enter(HERE, 102);
	seat = enter(HERE, 103);
	assert_int_equal(log_in(seat, "joe", "joe"), LIMIT_NONE);
	leave(102);
	assert_counts(1, 1);
	leave(103);
	assert_counts(1, 0);
	leave(102);
	leave(999);
	assert_counts(1, 0);
	leave(101);
	assert_counts(0, 0);
}

static void
slots_are_used_again_and_serials_are_not(void **state)
{
	struct connection *c;
	uint32_t slot, serial;
	pid_t pid;
	int round;

	(void)state;
	o.max_connections = CONNECTIONS_MAX + 1;
	for (round = 0; round < 2; round++) {
		for (pid = 1; pid <= 300; pid++)
			enter(0, pid);
		for (pid = 300; pid > 0; pid -= 2)
			leave(pid);
		assert_counts(150, 0);
		for (pid = 1; pid <= 300; pid += 2)
			leave(pid);
		assert_counts(0, 0);
		assert_int_equal(connections_end(), 0);
	}
	c = come(HERE);
	slot = c->slot;
	serial = c->serial;
	assert_ptr_equal(connections_find(slot, serial), c);
	connections_release(c);
	assert_null(connections_at(slot));
	c = come(HERE);
	assert_int_equal(c->slot, slot);
	assert_null(connections_find(slot, serial));
}

/* Each of the two children is found by its process id, and once. */
static void
children_are_found_when_they_end(void **state)
{
	struct connection *c = come(HERE), *found;

	(void)state;
	come(THERE);
	connections_set_pid(c, &c->gate, 7001);
	connections_set_pid(c, &c->monitor, 7002);
	assert_ptr_equal(connections_set_ended(7002, 3 << 8, &found), &c->monitor);
	assert_ptr_equal(found, c);
	assert_int_equal(c->monitor.state, CHILD_ENDED);
	assert_int_equal(c->monitor.status, 3 << 8);
	assert_null(connections_set_ended(7002, 0, &found));
	assert_ptr_equal(connections_set_ended(7001, 0, &found), &c->gate);
	assert_null(connections_set_ended(7001, 0, &found));
}

static void
who_is_sent_away_can_not_log_in(void **state)
{
	struct connection *waiting = come(HERE), *session = come(HERE);

	(void)state;
	assert_int_equal(log_in(session, "joe", "joe"), LIMIT_NONE);
	connections_shut_down(waiting);
	connections_shut_down(session);
	assert_true(connections_is_shut_down(waiting));
	assert_false(connections_is_shut_down(session));
	assert_int_equal(log_in(waiting, "joe", "joe"), LIMIT_SHUTDOWN);
	assert_counts(1, 1);
}

/* What is left of a session, its relay perhaps, takes no place of another's. */
static void
session_that_has_ended_counts_no_more(void **state)
{
	struct connection *c = come(HERE);

	(void)state;
	assert_int_equal(log_in(c, "joe", "joe"), LIMIT_NONE);
	assert_true(connections_is_session(c));
	connections_end_session(c);
	assert_counts(0, 0);
	assert_non_null(connections_at(c->slot));
	connections_release(c);
	assert_null(connections_at(0));
}

/* --- the listener executes itself anew */

/* Who maps a file that another makes shorter dies of SIGBUS. */
static void
memory_has_the_size_that_it_has(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(connections_fd(), 100), -1);
	assert_int_equal(ftruncate(connections_fd(), 1 << 30), -1);
}

static void
table_is_taken_over(void **state)
{
	struct connection *c = enter(HERE, 101);
	int fd, pipes[2];

	(void)state;
	assert_int_equal(fcntl(connections_fd(), F_GETFD), FD_CLOEXEC);
	enter(HERE, 102);
	assert_int_equal(log_in(c, "joe", "joe"), LIMIT_NONE);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	c->account = pipes[0];
	connections_keep_on_exec(true);
	assert_int_equal(fcntl(pipes[0], F_GETFD), 0);
	assert_int_equal(fcntl(pipes[1], F_GETFD), FD_CLOEXEC);
	fd = dup(connections_fd());
	assert_true(connections_open(fd));
	assert_int_equal(connections_fd(), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(pipes[0], F_GETFD), FD_CLOEXEC);
	assert_counts(1, 1);
	assert_string_equal(connections_at(c->slot)->name, "joe");
	assert_true(enter(HERE, 103)->serial > c->serial);
	leave(101);
	leave(102);
	assert_counts(1, 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void
what_is_no_table_is_not_taken_over(void **state)
{
	int fds[2] = { open("/dev/null", O_RDWR), memfd_create("x", 0) };
	size_t i;

	(void)state;
	assert_int_equal(ftruncate(fds[1], lseek(connections_fd(), 0, SEEK_END)), 0);
	for (i = 0; i < 2; i++) {
		assert_false(connections_open(fds[i]));
		come(HERE);
		assert_counts(1, 0);
	}
}

static void
read_connection(void *c)
{
	volatile char *at = c;

	(void)*at;
}

/* Each try ends in SIGSEGV, or under a sanitizer in its report. */
static void
no_child_has_the_table(void **state)
{
	static struct child child;

	(void)state;
	child_run(&child, read_connection, come(HERE));
	assert_int_not_equal(child.status, CHILD_RETURNED);
	assert_int_not_equal(child.status, 0);
}

/* --- failures */

static void
different_failures_add_up(void **state)
{
	struct connection *here = come(HERE), *there = come(THERE);

	(void)state;
	assert_int_equal(fail_at(here, "joe", "old", NOW), 1);
	assert_int_equal(fail_at(here, "joe", "old", NOW), 1);
	assert_int_equal(fail_at(here, "joe", "new", NOW), 2);
	assert_int_equal(fail_at(there, "joe", "old", NOW), 1);
	assert_int_equal(fail_at(here, "joe", "old", NOW + FAILURES_KEPT_MS), 1);
	assert_int_equal(connections_count().failures, 5);
}

static void
success_forgives(void **state)
{
	struct connection *seat = come(HERE), *other = come(HERE);

	(void)state;
	fail_at(seat, "joe", "a", NOW);
	fail_at(seat, "joe", "b", NOW);
	fail_at(seat, "ann", "c", NOW);
	assert_int_equal(log_in(seat, "joe", "joe"), LIMIT_NONE);
	assert_int_equal(fail_at(other, "ann", "c", NOW), 1);
	assert_int_equal(fail_at(other, "joe", "a", NOW), 2);
}

static void
failures_without_address_are_not_remembered(void **state)
{
	struct connection *seat = come(0);

	(void)state;
	assert_int_equal(fail_at(seat, "joe", "a", NOW), 0);
	assert_int_equal(connections_count().failures, 1);
}

#define WITH_TABLE(t)	cmocka_unit_test_setup_teardown(t, make_table, drop_table)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_counted_as_networks),
		cmocka_unit_test(who_is_unlimited_is_nobody_in_particular),
		cmocka_unit_test(without_a_list_this_host_is_one_network),
		WITH_TABLE(this_host_leaves_room_for_others),
		WITH_TABLE(sessions_of_one_user_are_limited),
		WITH_TABLE(connections_of_one_address_are_limited),
		WITH_TABLE(connections_are_limited),
		WITH_TABLE(those_without_address_are_limited_together_only),
		WITH_TABLE(who_logs_in_is_no_connection_any_more),
		WITH_TABLE(sessions_are_limited),
		WITH_TABLE(who_comes_by_a_proxy_is_counted_as_himself),
		cmocka_unit_test(limits_have_the_names_of_their_options),
		WITH_TABLE(ends_make_room),
		WITH_TABLE(slots_are_used_again_and_serials_are_not),
		WITH_TABLE(children_are_found_when_they_end),
		WITH_TABLE(who_is_sent_away_can_not_log_in),
		WITH_TABLE(session_that_has_ended_counts_no_more),
		WITH_TABLE(memory_has_the_size_that_it_has),
		WITH_TABLE(table_is_taken_over),
		WITH_TABLE(what_is_no_table_is_not_taken_over),
		WITH_TABLE(no_child_has_the_table),
		WITH_TABLE(different_failures_add_up),
		WITH_TABLE(success_forgives),
		WITH_TABLE(failures_without_address_are_not_remembered),
	};

	return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
