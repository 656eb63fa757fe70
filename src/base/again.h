#ifndef IMAPGATE_AGAIN_H
#define IMAPGATE_AGAIN_H

#include <stdbool.h>

/* Failed tries in a row, after which again() gives up: more than four seconds. */
#define AGAIN_MAX	70

/*
 * Decides whether to repeat a system call that was interrupted, or that had nothing to read
 * although poll(2) reported input. Takes a counter, which the caller sets to 0 after a success.
 * Pauses from the tenth try on, each time longer, so that no loop uses up the processor. Returns
 * false after AGAIN_MAX tries: the caller handles the error as any other. Preserves errno.
 */
bool	again(unsigned *tries);

#endif
