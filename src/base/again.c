/*
 * Trying again, see again.h. Run by all processes, also in the gate's
 * sandbox, whose filter allows poll(2).
 */

#include "base/again.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

/* The first tries are free: a signal, or another process that was quicker. */
#define FREE_TRIES	10

/* The longest pause. */
#define PAUSE_MS	100

bool
again(unsigned *tries)
{
	int saved_errno = errno, pause;

	if (++*tries > AGAIN_MAX)
		return false;
	pause = 2 * (int)*tries;
	if (*tries >= FREE_TRIES)
		poll(NULL, 0, pause < PAUSE_MS ? pause : PAUSE_MS);
	errno = saved_errno;
	return true;
}
