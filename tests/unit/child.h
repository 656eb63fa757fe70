#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

/*
 * Runs a function in a child process and tells how it ended and what it
 * said, for what ends a process: die(), bug(), usage errors.
 */

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* The exit status of a child whose function came back. */
#define CHILD_RETURNED	99

struct child {
	int	status;			/* exit status, or 128 + signal */
	int	pid;
	size_t	writes;			/* on standard error */
	size_t	len;
	char	err[65536];		/* what it wrote there */
	char	out[4096];		/* and on standard output */
};

/* Standard error is a socket that keeps writes apart, so they can be counted. */
static inline void
child_read_err(struct child *c, int fd)
{
	ssize_t n;

	while ((n = recv(fd, c->err + c->len, sizeof(c->err) - 1 - c->len, 0)) > 0) {
		c->len += (size_t)n;
		c->writes++;
	}
	c->err[c->len] = '\0';
}

static inline void
child_become(int err, int out, void (*run)(void *), void *arg)
{
	if (dup2(err, STDERR_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1)
		_exit(98);
	run(arg);
	fflush(stdout);
	_exit(CHILD_RETURNED);
}

static inline void
child_run(struct child *c, void (*run)(void *), void *arg)
{
	int err[2], out, status;
	FILE *kept = tmpfile();
	ssize_t n;

	memset(c, 0, sizeof(*c));
	assert_non_null(kept);
	out = fileno(kept);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, err), 0);
	fflush(NULL);
	c->pid = fork();
	assert_int_not_equal(c->pid, -1);
	if (c->pid == 0)
		child_become(err[1], out, run, arg);
	close(err[1]);
	child_read_err(c, err[0]);
	close(err[0]);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	c->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	n = pread(out, c->out, sizeof(c->out) - 1, 0);
	assert_true(n >= 0);
	fclose(kept);
}

#endif
