/*
 * Process titles: what they may hold, and that the arguments are still there.
 */

#include "child.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/title.h"

/* As the kernel lays them out: arguments, environment, and then what is not ours. */
static char memory[512];
static char *arguments[4], *variables[3], **environment;

/* What title_begin has returned, and the environment that it has made; NULL: nothing. */
static char **copies, **copied_environment;

static void
release(char ***list)
{
	for (size_t i = 0; *list != NULL && (*list)[i] != NULL; i++)
		free((*list)[i]);
	free(*list);
	*list = NULL;
}

static void
begin_with_arguments(void)
{
	release(&copies);
	release(&copied_environment);
	copies = title_begin(arguments);
	assert_non_null(copies);
	copied_environment = environ;
}

static char *
place(char **at, const char *text)
{
	char *string = *at;

	strcpy(string, text);
	*at += strlen(text) + 1;
	return string;
}

/* Begins with two arguments, so many octets with the environment, and x behind it. */
static void
begin(size_t size)
{
	char value[400], *at = memory;

	memset(memory, 'x', sizeof(memory));
	memset(value, 'v', sizeof(value));
	value[0] = 'A';
	value[1] = '=';
	arguments[0] = place(&at, "/usr/sbin/imapgate");
	arguments[1] = place(&at, "--setenv=KEY=sesame");
	arguments[2] = NULL;
	value[size - (size_t)(at - memory) - 1] = '\0';
	variables[0] = place(&at, value);
	variables[1] = NULL;
	environ = variables;
	begin_with_arguments();
}

static int
keep_environment(void **state)
{
	(void)state;
	environment = environ;
	return 0;
}

static int
restore_environment(void **state)
{
	(void)state;
	environ = environment;
	release(&copies);
	release(&copied_environment);
	return 0;
}

static void
arguments_and_environment_are_copied_and_wiped(void **state)
{
	(void)state;
	begin(100);
	title_set("joe", "192.0.2.7", "relay");
	assert_string_equal(copies[0], "/usr/sbin/imapgate");
	assert_string_equal(copies[1], "--setenv=KEY=sesame");
	assert_null(copies[2]);
	assert_int_equal(
	    strlen(getenv("A")), 100 - strlen("/usr/sbin/imapgate--setenv=KEY=sesame") - 2 - strlen("A=") - 1);
	assert_null(memmem(memory, sizeof(memory), "sesame", 6));
	assert_null(memmem(memory, sizeof(memory), "vvv", 3));
}

static void
title_is_role_name_and_address(void **state)
{
	static const struct {
		const char *name, *address, *role, *title;
	} rows[] = {
		{ NULL, "192.0.2.7", "gate", "imapgate: gate 192.0.2.7" },
		{ "joe@example.org", "2001:db8::1%eth0", "relay", "imapgate: relay joe@example.org 2001:db8::1%eth0" },
		{ "", "local", "keeper", "imapgate: keeper local" },
		{ NULL, NULL, "gate zygote", "imapgate: gate zygote" },
		{ NULL, NULL, "x", "imapgate: x" },
		{ "joe 192.0.2.1", "192.0.2.7", "relay", "imapgate: relay joe?192.0.2.1 192.0.2.7" },
		{ "j\033[2J\n\x7f\xc3\xa9", "192.0.2.7", "relay", "imapgate: relay j?[2J???? 192.0.2.7" },
		{ "%n%s", "192.0.2.7", "relay", "imapgate: relay %n%s 192.0.2.7" },
	};
	size_t i;

	(void)state;
	begin(200);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		title_set(rows[i].name, rows[i].address, "%s", rows[i].role);
		assert_string_equal(memory, rows[i].title);
		/* Nothing is left of a longer one before it. */
		for (size_t at = strlen(memory); at < 200; at++)
			assert_int_equal(memory[at], '\0');
	}
	title_set(NULL, NULL, "listener (%u waiting, %u sessions)", 12U, 3U);
	assert_string_equal(memory, "imapgate: listener (12 waiting, 3 sessions)");
}

static void
title_stays_in_its_memory(void **state)
{
	char name[300];
	size_t size;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size = 50; size < 300; size += 25) {
		begin(size);
		title_set(name, name, "%s", name);
		assert_true(strlen(memory) < size && strlen(memory) < 200);
		for (size_t at = size; at < sizeof(memory); at++)
			assert_int_equal(memory[at], 'x');
	}
}

static void
long_name_is_cut_and_the_address_stays(void **state)
{
	char name[300], expected[200];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	begin(300);
	title_set(name, "192.0.2.7", "relay");
	snprintf(expected, sizeof(expected), "imapgate: relay %.*s 192.0.2.7", TITLE_NAME_MAX, name);
	assert_string_equal(memory, expected);
}

/* An environment that was made anew lies elsewhere: only the arguments' memory is there. */
static void
other_memory_is_left_alone(void **state)
{
	static char elsewhere[] = "B=elsewhere";
	char *at = memory;

	(void)state;
	memset(memory, 'x', sizeof(memory));
	arguments[0] = place(&at, "imapgate-with-a-long-name");
	arguments[1] = NULL;
	variables[0] = elsewhere;
	variables[1] = NULL;
	environ = variables;
	begin_with_arguments();
	title_set("joe", "192.0.2.7", "relay");
	assert_string_equal(elsewhere, "B=elsewhere");
	assert_string_equal(memory, "imapgate: relay joe 192.0");
	assert_int_equal(memory[sizeof("imapgate-with-a-long-name")], 'x');
}

static void
room_is_made_for_the_longest_title(void **state)
{
	char *at = memory, name[300];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	arguments[0] = place(&at, "x");
	arguments[1] = NULL;
	variables[0] = place(&at, title_room());
	variables[1] = NULL;
	environ = variables;
	begin_with_arguments();
	title_set(name, name, "relay");
	assert_in_range(strlen(memory), 180, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    arguments_and_environment_are_copied_and_wiped, keep_environment, restore_environment),
		cmocka_unit_test_setup_teardown(title_is_role_name_and_address, keep_environment, restore_environment),
		cmocka_unit_test_setup_teardown(title_stays_in_its_memory, keep_environment, restore_environment),
		cmocka_unit_test_setup_teardown(
		    long_name_is_cut_and_the_address_stays, keep_environment, restore_environment),
		cmocka_unit_test_setup_teardown(other_memory_is_left_alone, keep_environment, restore_environment),
		cmocka_unit_test_setup_teardown(room_is_made_for_the_longest_title, keep_environment, restore_environment),
	};

	return cmocka_run_group_tests_name("title", tests, NULL, NULL);
}
