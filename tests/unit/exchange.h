#ifndef TESTS_EXCHANGE_H
#define TESTS_EXCHANGE_H

/* One exchange of SASL, which takes messages that are allocations of their own size. */

#include "proto/sasl.h"
#include "unit.h"

static struct sasl sasl;

/* Gives the exchange one message of its client's. sasl_begin() must have been called. */
static inline enum sasl_next
step(struct bytes message)
{
	char *copy = copy_of(message);
	enum sasl_next next = sasl_step(&sasl, copy, message.len);

	free(copy);
	return next;
}

#endif
