/*
 * Signals as they were found, see signals.h. Run by all that begin as this
 * program, and by the monitor before its end.
 */

#include "base/signals.h"

#include <stddef.h>

void
signals_save(struct signals *in, const sigset_t *blocked)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN }, normal = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, blocked != NULL ? blocked : &none, &in->mask);
	sigaction(SIGPIPE, &ignore, &in->pipe);
	/* A log in a file that may not grow any more (RLIMIT_FSIZE) is no reason to die. */
	sigaction(SIGXFSZ, &ignore, &in->file_size);
	/* With SIGCHLD ignored nobody could wait for a child: not we, not PAM's modules. */
	sigaction(SIGCHLD, &normal, &in->child);
}

void
signals_restore(const struct signals *in)
{
	sigaction(SIGPIPE, &in->pipe, NULL);
	sigaction(SIGXFSZ, &in->file_size, NULL);
	sigaction(SIGCHLD, &in->child, NULL);
	sigprocmask(SIG_SETMASK, &in->mask, NULL);
}
