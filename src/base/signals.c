/*
 * Saves and restores signal settings, see signals.h. Run by the listener, monitors, monitor
 * zygotes and --probe, as root or not.
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
	/* SIGXFSZ: a log file at its size limit (RLIMIT_FSIZE) must not kill this process. */
	sigaction(SIGXFSZ, &ignore, &in->file_size);
	/* With SIGCHLD ignored waitpid(2) would find no child, here and in PAM's modules. */
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
