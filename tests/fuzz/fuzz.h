#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/* What all fuzz targets have: the entry that libFuzzer and replay.c call, and a promise that ends them if it is broken. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)	do {							\
	if (!(cond)) {								\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);	\
		abort();							\
	}									\
} while (0)

#endif
