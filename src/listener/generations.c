/*
 * Monitor zygotes, one for each generation of settings, see generations.h. Run by the listener,
 * as root.
 */

#include "listener/generations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "listener/events.h"

struct generation generations[ROLES_GENERATIONS];
unsigned generations_current;

void
generations_restore(const char *kept, uint32_t first)
{
	unsigned i, waiting;
	int fd, pid, n = 0;

	for (; kept != NULL && sscanf(kept, " %u %d %d %u%n", &i, &fd, &pid, &waiting, &n) == 4 && i < ROLES_GENERATIONS; kept += n) {
		generations[i] = (struct generation){ { .pid = pid, .control = fd, .ready = true }, waiting };
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (!events_add(fd, EVENT_ROLE, first + i))
			die("epoll");
	}
	for (generations_current = 0; generations_current < ROLES_GENERATIONS - 1 && generations[generations_current].zygote.control != -1; generations_current++)
		;
}

/* The slot of a zygote that has exited may be the current generation's now. */
bool
roles_is_restored(unsigned generation)
{
	return generation < ROLES_GENERATIONS && generation != generations_current && generations[generation].zygote.control != -1;
}

unsigned
roles_acquire(void)
{
	generations[generations_current].waiting++;
	return generations_current;
}

bool
roles_spawn_monitor(unsigned generation, const struct msg *m, const int *fds)
{
	struct process *zygote = &generations[generation < ROLES_GENERATIONS ? generation : generations_current].zygote;

	errno = ECHILD;
	if (zygote->control == -1 || msg_send_fds(zygote->control, m, fds, false) == -1)
		return false;
	zygote->pending++;
	return true;
}

void
roles_kill_monitor_zygote(unsigned generation)
{
	const struct process *zygote = &generations[generation < ROLES_GENERATIONS ? generation : generations_current].zygote;

	if (zygote->pending > 0)
		process_kill(zygote);
}

bool
roles_has_room(void)
{
	unsigned i, used = 0;

	for (i = 0; i < ROLES_GENERATIONS; i++)
		used += generations[i].waiting > 0;
	return used < ROLES_GENERATIONS - 1;
}

void
roles_keep_on_exec(char *text, size_t size, bool keep)
{
	int n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < ROLES_GENERATIONS; i++) {
		const struct generation *g = &generations[i];

		if (g->zygote.control == -1 || g->waiting == 0)
			continue;
		fcntl(g->zygote.control, F_SETFD, keep ? 0 : FD_CLOEXEC);
		n += snprintf(text + n, size - (size_t)n, " %u %d %d %u", i, g->zygote.control, (int)g->zygote.pid, g->waiting);
	}
}
