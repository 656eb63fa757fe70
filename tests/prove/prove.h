#ifndef TESTS_PROVE_H
#define TESTS_PROVE_H

/*
 * The base of every driver: input that can be anything, for Frama-C's EVA,
 * which then follows all runs at once. Included before any other header, it
 * declares what Frama-C's own C library lacks; libc.c has the bodies.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "__fc_builtin.h"

void	 explicit_bzero(void *, size_t);
int	 __b64_ntop(const unsigned char *, size_t, char *, size_t);
int	 __b64_pton(const char *, unsigned char *, size_t);

/* The names that resolv.h of the C library gives them. */
#define b64_ntop	__b64_ntop
#define b64_pton	__b64_pton

/* Gives any number from min to max. */
static inline size_t
any_size(size_t min, size_t max)
{
	return (size_t)Frama_C_interval((int)min, (int)max);
}

/* Fills memory with any octets. */
static inline void
any_octets(void *to, size_t len)
{
	Frama_C_make_unknown(to, len);
}

/* Makes a string of at most size - 1 octets. */
static inline void
any_string(char *to, size_t size)
{
	Frama_C_make_unknown(to, size - 1);
	to[size - 1] = '\0';
}

#endif
