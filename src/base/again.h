#ifndef IMAPGATE_AGAIN_H
#define IMAPGATE_AGAIN_H

#include <stdbool.h>

/* The most tries in a row that come to nothing: more than four seconds of them. */
#define AGAIN_MAX	70

/*
 * Decides whether a system call is tried once more that was interrupted, or
 * that had nothing to give although poll(2) said so. Takes a count that the
 * caller sets to 0 after a success. From the tenth try on it pauses, each time
 * longer, so that no loop takes the processor. Returns false after AGAIN_MAX
 * tries: the caller treats it as any other error. Leaves errno alone.
 */
bool	again(unsigned *tries);

#endif
