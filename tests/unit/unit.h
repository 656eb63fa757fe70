#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

/*
 * The base of every unit test: cmocka with the headers that must come before
 * it, and tables of inputs. A test adds the headers of its own needs only.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The number of a table's rows. */
#define ROWS(table)	(sizeof(table) / sizeof((table)[0]))

/* Initializes a struct bytes from a literal, in which NUL may stand. */
#define BYTES(s)	{ (s), sizeof(s) - 1 }

struct bytes {
	const char	*text;
	size_t		 len;
};

/* Copies octets into an allocation of just their size, so that a sanitizer sees a read behind their end. The caller frees it. */
static inline char *
copy_of(struct bytes b)
{
	char *copy = malloc(b.len > 0 ? b.len : 1);

	assert_non_null(copy);
	memcpy(copy, b.text, b.len);
	return copy;
}

#endif
