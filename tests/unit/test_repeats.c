/* Lines that are counted together: which are written, and for how many they stand. */

#include "listener/repeats.h"
#include "unit.h"

#define NOW	INT64_C(1000000)
#define HERE	UINT64_C(7)

static struct repeats table;

static int
clear(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	return 0;
}

static void
first_ones_are_written_and_the_rest_is_counted(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(repeats_count(&table, HERE, 3, NOW + i), 1);
	for (i = 0; i < 1000; i++)
		assert_int_equal(repeats_count(&table, HERE, 3, NOW + i), 0);
	assert_int_equal(repeats_count(&table, HERE, 3, NOW + REPEATS_MS - 1), 0);
	assert_int_equal(repeats_count(&table, HERE, 3, NOW + REPEATS_MS), 1002);
	/* And from there as at first. */
	assert_int_equal(repeats_count(&table, HERE, 3, NOW + REPEATS_MS), 1);
	assert_int_equal(repeats_count(&table, HERE, 3, NOW + REPEATS_MS), 1);
	assert_int_equal(repeats_count(&table, HERE, 3, NOW + REPEATS_MS), 0);
	assert_int_equal(repeats_count(&table, HERE, 3, NOW + 3 * REPEATS_MS), 2);
}

static void
networks_are_told_apart(void **state)
{
	uint64_t network;

	(void)state;
	for (network = 0; network < REPEATS_NETWORKS; network++) {
		assert_int_equal(repeats_count(&table, network, 1, NOW), 1);
		assert_int_equal(repeats_count(&table, network, 1, NOW), 0);
	}
}

static void
the_oldest_makes_room(void **state)
{
	uint64_t network;

	(void)state;
	for (network = 0; network < REPEATS_NETWORKS; network++)
		repeats_count(&table, network, 1, NOW + (int64_t)network);
	repeats_count(&table, 0, 1, NOW + 100);
	assert_int_equal(repeats_count(&table, 1000, 1, NOW + 100), 1);
	assert_int_equal(repeats_count(&table, 1, 1, NOW + 100), 0);
	assert_int_equal(repeats_count(&table, 0, 1, NOW + 100), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(first_ones_are_written_and_the_rest_is_counted, clear),
		cmocka_unit_test_setup(networks_are_told_apart, clear),
		cmocka_unit_test_setup(the_oldest_makes_room, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
