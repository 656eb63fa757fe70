/*
 * Failed logins remembered: what counts as different, what is forgotten, and
 * that processes who write at the same time, or are killed, spoil nothing.
 */

#include "listener/failures.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define HERE	7
#define THERE	8
#define NOW	INT64_C(1000000)

static struct failures *f;

static int
make_table(void **state)
{
	(void)state;
	f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return f == MAP_FAILED ? -1 : 0;
}

static int
drop_table(void **state)
{
	(void)state;
	return munmap(f, sizeof(*f));
}

static unsigned
note(uint64_t network, uint64_t user, uint64_t attempt, int64_t now)
{
	return failures_add(f, &(struct failure){ network, user, attempt }, now);
}

static void
different_failures_are_counted(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 1; i <= 5; i++)
		assert_int_equal(note(HERE, 1, i, NOW), i);
	assert_int_equal(note(HERE, 2, 100, NOW), 6);
}

static void
networks_have_nothing_to_do_with_each_other(void **state)
{
	(void)state;
	assert_int_equal(note(HERE, 1, 1, NOW), 1);
	assert_int_equal(note(HERE, 1, 2, NOW), 2);
	assert_false(failures_has_network(f, THERE));
	assert_int_equal(note(THERE, 1, 1, NOW), 1);
	assert_true(failures_has_network(f, THERE));
}

/* The telephone with the old password. */
static void
same_failure_again_is_no_other(void **state)
{
	int64_t now;

	(void)state;
	for (now = NOW; now < NOW + 100; now++)
		assert_int_equal(note(HERE, 1, 1, now), 1);
	assert_int_equal(note(HERE, 1, 2, now), 2);
	assert_int_equal(note(HERE, 1, 1, now), 2);
}

static void
failures_are_forgotten_with_time(void **state)
{
	(void)state;
	assert_int_equal(note(HERE, 1, 1, NOW), 1);
	assert_int_equal(note(HERE, 1, 2, NOW + 1000), 2);
	assert_int_equal(note(HERE, 1, 3, NOW + FAILURES_KEPT_MS - 1), 3);
	assert_int_equal(note(HERE, 1, 4, NOW + FAILURES_KEPT_MS), 3);
	assert_int_equal(note(HERE, 1, 5, NOW + 3 * FAILURES_KEPT_MS), 1);
}

/* As long as the telephone goes on, its failure stays known: else it would be a new one every now and then. */
static void
same_failure_again_is_remembered_for_longer(void **state)
{
	int64_t now;

	(void)state;
	for (now = NOW; now < NOW + 5 * FAILURES_KEPT_MS; now += FAILURES_KEPT_MS / 2)
		assert_int_equal(note(HERE, 1, 1, now), 1);
}

static void
success_forgives_this_user_here(void **state)
{
	(void)state;
	note(HERE, 1, 1, NOW);
	note(HERE, 1, 2, NOW);
	note(HERE, 2, 3, NOW);
	note(THERE, 1, 1, NOW);
	failures_forgive(f, HERE, 1);
	assert_int_equal(note(HERE, 2, 3, NOW), 1);
	assert_int_equal(note(THERE, 1, 2, NOW), 2);
}

/* An account of his own helps a guesser nothing. */
static void
success_forgives_no_other_user(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 1; i <= 5; i++) {
		assert_int_equal(note(HERE, 1, i, NOW), i);
		failures_forgive(f, HERE, 2);
	}
}

static void
network_pushes_out_its_own_only(void **state)
{
	uint64_t i;

	(void)state;
	note(THERE, 1, 1, NOW - 1);
	for (i = 1; i <= 10 * FAILURES_MAX; i++)
		assert_int_equal(note(HERE, 1, i, NOW + (int64_t)i / 100), i < FAILURES_PER_NETWORK ? i : FAILURES_PER_NETWORK);
	assert_int_equal(note(THERE, 1, 2, NOW), 2);
}

static void
oldest_make_room_when_the_table_is_full(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 0; i < FAILURES_MAX; i++)
		note(1000 + i, 1, 1, NOW + (int64_t)i);
	note(HERE, 1, 1, NOW + FAILURES_MAX);
	assert_false(failures_has_network(f, 1000));
	assert_true(failures_has_network(f, 1001));
	assert_int_equal(note(HERE, 1, 2, NOW + FAILURES_MAX), 2);
	assert_false(failures_has_network(f, 1001));
	assert_true(failures_has_network(f, 1002));
}

#define WITH_TABLE(t)	cmocka_unit_test_setup_teardown(t, make_table, drop_table)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TABLE(different_failures_are_counted),
		WITH_TABLE(networks_have_nothing_to_do_with_each_other),
		WITH_TABLE(same_failure_again_is_no_other),
		WITH_TABLE(failures_are_forgotten_with_time),
		WITH_TABLE(same_failure_again_is_remembered_for_longer),
		WITH_TABLE(success_forgives_this_user_here),
		WITH_TABLE(success_forgives_no_other_user),
		WITH_TABLE(network_pushes_out_its_own_only),
		WITH_TABLE(oldest_make_room_when_the_table_is_full),
	};

	return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
