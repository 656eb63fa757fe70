/*
 * Repeats system calls, see again.h. Run by all processes, also in the sandbox, whose filter
 * allows poll(2).
 */

#include "base/again.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

/* Tries without a pause: a signal, or another process that was quicker, causes a few. */
#define FREE_TRIES	10

/* The longest pause, in milliseconds. */
#define AGAIN_PAUSE_MS	100

bool
again(unsigned *tries)
{
	int saved_errno = errno, pause;

	if (++*tries > AGAIN_MAX)
		return false;
	pause = 2 * (int)*tries;
	if (*tries >= FREE_TRIES)
		poll(NULL, 0, pause < AGAIN_PAUSE_MS ? pause : AGAIN_PAUSE_MS);
	errno = saved_errno;
	return true;
}
