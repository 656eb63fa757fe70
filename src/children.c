/*
 * The table of children, see children.h. Run by the listener, and one
 * function by its monitors. Each place is written by two processes, so its
 * state only ever changes by compare and exchange: who comes first decides
 * whether a client is logged in or sent away.
 */

#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

enum state {
	FREE,
	WAITING,		/* not logged in */
	DISMISSED,		/* and never will be */
	SESSION,		/* logged in */
};

static struct table {
	uint32_t		size;		/* of this struct: another program's table is of no use */
	uint32_t		used;		/* no place behind this one was ever taken */
	uint64_t		connections;
	_Atomic uint64_t	logins;
	pid_t			pid[CHILDREN_MAX];
	_Atomic uint8_t		state[CHILDREN_MAX];
} *table;

static int table_fd = -1;
static _Atomic uint8_t *mine;	/* in a child: its own place */

static bool
is_ours(int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && st.st_size == sizeof(*table);
}

static void
map(int fd)
{
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		die("table of children");
	table_fd = fd;
}

void
children_open(int fd)
{
	if (is_ours(fd)) {
		map(fd);
		if (table->size == sizeof(*table))
			return;
		munmap(table, sizeof(*table));
	}
	if (fd != -1)
		close(fd);
	fd = memfd_create("imapgate-children", MFD_CLOEXEC);
	if (fd == -1 || ftruncate(fd, sizeof(*table)) == -1)
		die("table of children");
	map(fd);
	table->size = sizeof(*table);
}

int
children_fd(void)
{
	return table_fd;
}

int
children_reserve(void)
{
	uint32_t i;

	for (i = 0; i < table->used; i++)
		if (table->state[i] == FREE)
			break;
	if (i == CHILDREN_MAX)
		return -1;
	if (i == table->used)
		table->used++;
	table->state[i] = WAITING;
	return (int)i;
}

void
children_born(int place, pid_t pid)
{
	table->pid[place] = pid > 0 ? pid : 0;
	if (pid > 0)
		table->connections++;
	else
		table->state[place] = FREE;
}

bool
children_ended(pid_t pid)
{
	uint32_t i;

	for (i = 0; i < table->used; i++) {
		if (table->pid[i] != pid)
			continue;
		table->pid[i] = 0;
		table->state[i] = FREE;
		return true;
	}
	return false;
}

void
children_dismiss(void)
{
	uint32_t i;

	for (i = 0; i < table->used; i++) {
		uint8_t waiting = WAITING;

		if (atomic_compare_exchange_strong(&table->state[i], &waiting, DISMISSED))
			kill(table->pid[i], SIGTERM);
	}
}

struct children_count
children_count(void)
{
	struct children_count count = { .connections = table->connections, .logins = table->logins };
	uint32_t i;

	for (i = 0; i < table->used; i++) {
		count.waiting += table->state[i] == WAITING || table->state[i] == DISMISSED;
		count.sessions += table->state[i] == SESSION;
	}
	return count;
}

void
children_join(int place)
{
	mine = &table->state[place];
}

bool
children_log_in(void)
{
	uint8_t waiting = WAITING;

	if (mine == NULL)
		return true;
	if (!atomic_compare_exchange_strong(mine, &waiting, SESSION))
		return false;
	table->logins++;
	return true;
}
