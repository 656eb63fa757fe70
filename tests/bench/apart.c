/*
 * apart FILE PROGRAM [ARGUMENT ...]: goes into the control group whose
 * cgroup.procs is FILE and executes PROGRAM there, so that a server which
 * must have its own mailbox program is not charged for it. Where the server
 * gives its mailbox program arguments of its own, FILE and PROGRAM are in
 * the environment, as APART_FILE and APART_PROGRAM. Linked statically.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int
main(int argc, char *argv[])
{
	const char *file = getenv("APART_FILE"), *program = getenv("APART_PROGRAM");
	int	    fd;

	if (file == NULL || program == NULL) {
		if (argc < 3)
			_exit(64);
		file = argv[1];
		program = argv[2];
		argv += 2;
	}
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, "0", 1) != 1)
		_exit(111);
	execv(program, argv);
	_exit(111);
}
