/*
 * Closes descriptors in bulk, see descriptors.h. Run by every process before it gives up
 * privileges or executes a program, as root or not.
 */

#include "base/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
set_close_on_exec(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void
close_one(int fd)
{
	close(fd);
}

/*
 * Calls act for each open descriptor from first on. With until_none reads the directory again
 * until there is none: readdir(3) may skip entries of a directory that changes. Returns false
 * without /proc.
 */
static bool
each_open_from(int first, void (*act)(int), bool until_none)
{
	bool again = true;
	const struct dirent *entry;

	while (again) {
		DIR *d = opendir("/proc/self/fd");

		if (d == NULL)
			return false;
		again = false;
		while ((entry = readdir(d)) != NULL) {
			int fd = atoi(entry->d_name);

			if (entry->d_name[0] == '.' || fd < first || fd == dirfd(d))
				continue;
			act(fd);
			again = until_none;
		}
		closedir(d);
	}
	return true;
}

bool
descriptors_close_from(int first)
{
	return syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0 || each_open_from(first, close_one, true);
}

bool
descriptors_close_on_exec_from(int first)
{
	return syscall(SYS_close_range, (unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC) == 0 ||
	    each_open_from(first, set_close_on_exec, false);
}

static void
close_inherited(int fd)
{
	if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
		close(fd);
}

bool
descriptors_close_inherited_from(int first)
{
	return each_open_from(first, close_inherited, false);
}

int
descriptors_move_up(int fd, int first)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, first);

	if (moved != -1)
		close(fd);
	return moved;
}
