/*
 * Pages as children see them: those that were written to are found, and no
 * others; taking them is a copy, and writing to them no fault.
 */

#include "pages.h"

#include "child.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGES	200

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

static size_t size;	/* of a page */
static char *memory;	/* PAGES of them, each begins with its number */

static char *
map(int flags, size_t pages)
{
	char *at = mmap(NULL, pages * size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static int
setup(void **state)
{
	(void)state;
	size = (size_t)sysconf(_SC_PAGESIZE);
	memory = map(MAP_PRIVATE, PAGES);
	for (size_t i = 0; i < PAGES; i++)
		memory[i * size] = (char)i;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	munmap(memory, PAGES * size);
	return 0;
}

static bool
has(const struct pages *p, const char *at)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *start = p->range[i].iov_base;

		if (at >= start && at < start + p->range[i].iov_len)
			return true;
	}
	return false;
}

static void
require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	_exit(1);
}

static void
run(void (*child)(void *))
{
	struct child c;

	child_run(&c, child, NULL);
	assert_string_equal(c.err, "");
	assert_int_equal(c.status, CHILD_RETURNED);
}

static void
write_some(void *arg)
{
	struct pages p;

	(void)arg;
	memory[1 * size] = 'x';
	memory[2 * size + 1] = 'x';
	memory[5 * size + size - 1] = 'x';
	pages_find_written(&p);
	for (size_t i = 0; i < 8; i++)
		require(has(&p, memory + i * size) == (i == 1 || i == 2 || i == 5), "found what was not written to, or not what was");
}

static void
test_written_are_found(void **state)
{
	(void)state;
	run(write_some);
}

/* What others see too is no copy. */
static char *shared;

static void
write_shared(void *arg)
{
	struct pages p;

	(void)arg;
	shared[0] = 'x';
	pages_find_written(&p);
	require(!has(&p, shared), "found shared memory");
}

static void
test_shared_are_not_found(void **state)
{
	(void)state;
	shared = map(MAP_SHARED, 1);
	run(write_shared);
	munmap(shared, size);
}

static void
write_every_other(void *arg)
{
	struct pages p;

	(void)arg;
	for (size_t i = 0; i < PAGES; i += 2)
		memory[i * size] = 'x';
	pages_find_written(&p);
	require(p.n == PAGES_RANGES, "more than there is room for, or less");
}

static void
test_no_more_than_there_is_room_for(void **state)
{
	(void)state;
	assert_true(PAGES / 2 > PAGES_RANGES);
	run(write_every_other);
}

static long
faults(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
}

/* Are these as they were, and ours without a fault? */
static void
use(size_t first, size_t n)
{
	long before = faults();

	for (size_t i = first; i < first + n; i++) {
		require(memory[i * size] == (char)i, "not the same any more");
		memory[i * size]++;
	}
	require(faults() - before < (long)n / 2, "faults all the same");
}

static void
take(void *arg)
{
	const struct pages p = { .n = 2, .range = { { memory + 10 * size, 40 * size }, { memory + 100 * size, 50 * size } } };

	(void)arg;
	pages_take(&p);
	use(10, 40);
	use(100, 50);
}

/* Only what is wholly there; the rest may be somebody else's. */
static void
take_octets(void *arg)
{
	struct pages p;

	(void)arg;
	pages_take_range(memory + 20 * size + 1, 50 * size);
	pages_find_written(&p);
	require(!has(&p, memory + 20 * size) && has(&p, memory + 21 * size), "wrong at the start");
	require(has(&p, memory + 69 * size) && !has(&p, memory + 70 * size), "wrong at the end");
	use(21, 49);
	pages_take_range(memory + 80 * size + 1, size);
	pages_find_written(&p);
	require(!has(&p, memory + 80 * size) && !has(&p, memory + 81 * size), "took what was not whole");
}

/* A piece that was let go meanwhile is no reason not to take the next one. */
static void
take_what_is_gone(void *arg)
{
	char *gone = map(MAP_PRIVATE, 1);
	const struct pages p = { .n = 2, .range = { { gone, size }, { memory + 100 * size, 50 * size } } };

	(void)arg;
	munmap(gone, size);
	pages_take(&p);
	use(100, 50);
}

static void
test_taking(void **state)
{
	(void)state;
	if (madvise(memory, size, MADV_POPULATE_WRITE) == -1 && errno == EINVAL)
		skip();
	run(take);
	run(take_octets);
	run(take_what_is_gone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_written_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_are_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_more_than_there_is_room_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taking, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
