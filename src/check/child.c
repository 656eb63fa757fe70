/* Tests in a child process, see child.h. Run by --check and --probe, usually as root. */

#include "check/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Time for a task. */
#define CHILD_TIMEOUT_MS	10000

static int parent = -1;

static void
write_to_parent(int priority, const char *text)
{
	(void)priority;
	(void)!write(parent, text, strlen(text));
}

void
child_report_to(int fd)
{
	parent = fd;
	log_sink = write_to_parent;
}

/*
 * Reads until the child has closed its end; text beyond the buffer is dropped. Returns false after
 * CHILD_TIMEOUT_MS.
 */
static bool
read_text(int fd, char *text, size_t size)
{
	int64_t deadline = clock_ms() + CHILD_TIMEOUT_MS;
	struct pollfd pfd = { fd, POLLIN, 0 };
	char part[512];
	size_t len = 0, room;
	ssize_t n = 1;

	while (n != 0) {
		int ready = poll(&pfd, 1, clock_left(deadline));

		if (ready == 0)
			return false;
		n = ready == 1 ? read(fd, part, sizeof(part)) : -1;
		if (n == -1 && errno != EINTR)
			break;
		room = size - 1 - len;
		if (n > 0) {
			memcpy(text + len, part, (size_t)n < room ? (size_t)n : room);
			len += (size_t)n < room ? (size_t)n : room;
		}
		text[len] = '\0';
	}
	return true;
}

void
child_run(child_task *task, void *arg, char *text, size_t size)
{
	int ends[2], status = 0;
	pid_t pid;

	fflush(stdout);
	text[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		die("fork");
	if (pid == 0) {
		close(ends[0]);
		/* A task may close its end, and then hang. */
		alarm(CHILD_TIMEOUT_MS / 1000 + 1);
		child_report_to(ends[1]);
		task(arg, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	if (!read_text(ends[0], text, size)) {
		kill(pid, SIGKILL);
		snprintf(text, size, "it did not finish within %d seconds", CHILD_TIMEOUT_MS / 1000);
	}
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && text[0] == '\0')
		snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
}
