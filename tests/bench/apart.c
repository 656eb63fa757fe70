/*
 * apart FILE PROGRAM [ARGUMENT ...]: goes into the control group whose
 * cgroup.procs is FILE and executes PROGRAM there, so that a server which
 * must have its own mailbox program is not charged for it. Linked statically.
 */

#include <fcntl.h>
#include <unistd.h>

int
main(int argc, char *argv[])
{
	int fd;

	if (argc < 3)
		_exit(64);
	fd = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, "0", 1) != 1)
		_exit(111);
	execv(argv[2], argv + 2);
	_exit(111);
}
