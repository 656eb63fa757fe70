/* The client's descriptors, see client.h. Run by the monitor, as root; reads nothing from them. */

#include "monitor/client.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

/* Above all descriptors that programs may expect to be open. */
#define HIGH_FD	10

void
client_detach(struct client *c)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	c->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	c->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	if (null_fd == -1 || c->in == -1 || c->out == -1)
		die("moving the client's descriptors");
	if (dup2(null_fd, STDIN_FILENO) == -1 || dup2(null_fd, STDOUT_FILENO) == -1)
		die("dup2");
	close(null_fd);
}

void
client_replace(struct client *c, int in, int out)
{
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1)
		die("dup2");
	close(c->in);
	close(c->out);
	c->in = c->out = -1;
}

void
client_attach(struct client *c)
{
	client_replace(c, c->in, c->out);
}
