/*
 * The service manager, see activation.h. Run by main and by the listener, and
 * never after a fork: its variables are this process's alone.
 */

#include "activation.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "systemd.h"

#define PORT_IMAPS	993

static bool
ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static bool
is_port_imaps(int fd)
{
	union {
		struct sockaddr		sa;
		struct sockaddr_in	sin;
		struct sockaddr_in6	sin6;
	} local = { .sa = { .sa_family = AF_UNSPEC } };
	socklen_t len = sizeof(local);

	if (getsockname(fd, &local.sa, &len) == -1)
		return false;
	if (local.sa.sa_family == AF_INET)
		return ntohs(local.sin.sin_port) == PORT_IMAPS;
	return local.sa.sa_family == AF_INET6 && ntohs(local.sin6.sin6_port) == PORT_IMAPS;
}

/* FileDescriptorName= decides; a name that says nothing leaves it to the port (systemd.socket(5)). */
static bool
is_imaps(int fd, const char *name)
{
	if (ends_in(name, "imaps"))
		return true;
	return !ends_in(name, "imap") && is_port_imaps(fd);
}

/* Accept=yes without StandardInput=socket hands the connection over as descriptor 3. */
static void
take_connection(void)
{
	if (dup2(SYSTEMD_FIRST, STDIN_FILENO) == -1 || dup2(SYSTEMD_FIRST, STDOUT_FILENO) == -1)
		die("dup2");
	close(SYSTEMD_FIRST);
}

size_t
activation_take(struct activation_socket list[ACTIVATION_MAX])
{
	char **names = NULL;
	int i, n = systemd_listen_fds(&names), listening = 0;

	if (n == 0)
		return 0;
	errno = 0;
	if (n > ACTIVATION_MAX)
		die("%d sockets passed; no more than %d are expected", n, ACTIVATION_MAX);
	for (i = 0; i < n; i++) {
		int fd = SYSTEMD_FIRST + i;

		listening += systemd_is_listening(fd);
		list[i] = (struct activation_socket){ fd, is_imaps(fd, names[i]) };
		free(names[i]);
	}
	free(names);
	if (listening == n)
		return (size_t)n;
	if (n > 1)
		die("%d sockets passed; listening ones (Accept=no) or one connection (Accept=yes) are expected", n);
	take_connection();
	return 0;
}

int
activation_watchdog(void)
{
	return (int)(systemd_watchdog() / 2000);
}

void
activation_notify(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	systemd_notify(text);
}

/* The client has gone again, or its network has: accept(2) wants these taken for "try again". */
static bool
is_clients_fault(int error)
{
	static const int errors[] = { EAGAIN, ECONNABORTED, EINTR, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
	    ENETUNREACH, ENETDOWN, ETIMEDOUT };
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i] == error)
			return true;
	return false;
}

int
activation_accept(const struct activation_socket *s, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);
	int fd;

	memset(from, 0, sizeof(*from));
	fd = accept4(s->fd, (struct sockaddr *)from, &len, SOCK_CLOEXEC);
	if (fd == -1 && is_clients_fault(errno))
		errno = 0;
	return fd;
}
