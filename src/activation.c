/*
 * Sockets from the service manager or on standard input, see activation.h. Run by main and the
 * listener, as root, never after a fork: the variables name this process only.
 */

#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/systemd.h"

#define PORT_IMAPS	993

/* First port that the kernel chooses itself (ip(7), ip_local_port_range). */
#define PORT_EPHEMERAL	32768

/* Linux's device number of /dev/null (null(4)). */
#define NULL_MAJOR	1
#define NULL_MINOR	3

static bool
ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

/* Returns the port that a TCP socket is bound to, 0 for another socket. */
static unsigned
local_port(int fd)
{
	union {
		struct sockaddr		sa;
		struct sockaddr_in	sin;
		struct sockaddr_in6	sin6;
	} local = { .sa = { .sa_family = AF_UNSPEC } };
	socklen_t len = sizeof(local);

	if (getsockname(fd, &local.sa, &len) == -1)
		return 0;
	if (local.sa.sa_family == AF_INET)
		return ntohs(local.sin.sin_port);
	return local.sa.sa_family == AF_INET6 ? ntohs(local.sin6.sin6_port) : 0;
}

bool
activation_is_tls_port(unsigned port)
{
	return port < PORT_EPHEMERAL && port % 1000 == PORT_IMAPS;
}

/*
 * Returns whether a socket is for implicit TLS (RFC 8314). The name decides (FileDescriptorName=),
 * then the port (systemd.socket(5)).
 */
static bool
is_imaps(unsigned port, const char *name)
{
	if (ends_with(name, "imaps"))
		return true;
	return !ends_with(name, "imap") && port == PORT_IMAPS;
}

/*
 * Returns whether clients use implicit TLS on a socket without it. A name that ends in imap is a
 * decision, except on port 993. Without FileDescriptorName= a socket has its unit's name, such as
 * "my-imaps.socket".
 */
static bool
misses_tls(const struct activation_socket *s, const char *name)
{
	if (s->imaps)
		return false;
	return s->port == PORT_IMAPS || (!ends_with(name, "imap") && (activation_is_tls_port(s->port) || strstr(name, "imaps") != NULL));
}

static void
fill_socket(struct activation_socket *s, int fd, const char *name)
{
	s->port = local_port(fd);
	s->imaps = is_imaps(s->port, name);
	s->misses_tls = misses_tls(s, name);
}

/*
 * Moves a connection to descriptors 0 and 1. Accept=yes passes it as descriptor 3, unless there is
 * StandardInput=socket.
 */
static void
take_connection(void)
{
	if (dup2(SYSTEMD_FIRST_FD, STDIN_FILENO) == -1 || dup2(SYSTEMD_FIRST_FD, STDOUT_FILENO) == -1)
		die("dup2");
	close(SYSTEMD_FIRST_FD);
}

/* Returns whether a descriptor is a listening stream socket, as inetd's "wait" passes it. */
static bool
is_listening(int fd)
{
	int accepts = 0, type = 0;
	socklen_t len = sizeof(accepts), type_len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) == 0 && accepts != 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM;
}

static bool
is_same_file(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool
is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(NULL_MAJOR, NULL_MINOR);
}

/*
 * Counts the descriptors that inetd has made the socket: all three, or fewer. main() has
 * redirected standard error to /dev/null if it was the socket. After a reload this program must
 * find the socket there too: else it would write errors to a descriptor that is not read.
 */
static int
count_standard(void)
{
	if (!is_same_file(STDIN_FILENO, STDOUT_FILENO))
		return 1;
	return is_null(STDERR_FILENO) ? 3 : 2;
}

static void
fill_standard(int n)
{
	int fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		die("/dev/null");
	for (fd = 0; fd < n; fd++)
		if (dup2(null, fd) == -1)
			die("dup2");
	close(null);
}

static size_t
take_standard_input(struct activation_socket *s)
{
	if (!is_listening(STDIN_FILENO))
		return 0;
	s->standard = count_standard();
	fill_socket(s, STDIN_FILENO, "");
	s->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (s->fd == -1)
		die("dup");
	fill_standard(s->standard);
	return 1;
}

/*
 * Closes the socket that StandardInput=socket has put on standard input too: closing the passed
 * one must end it.
 */
static void
drop_standard_input(void)
{
	if (is_listening(STDIN_FILENO))
		fill_standard(is_same_file(STDIN_FILENO, STDOUT_FILENO) ? 2 : 1);
}

void
activation_keep_on_exec(const struct activation_socket *list, size_t n)
{
	size_t i;
	int fd;

	for (i = 0; i < n; i++) {
		if (list[i].standard == 0 && fcntl(list[i].fd, F_SETFD, 0) == -1)
			die("FD_CLOEXEC");
		for (fd = 0; fd < list[i].standard; fd++)
			if (dup2(list[i].fd, fd) == -1)
				die("dup2");
	}
}

void
activation_restore(const struct activation_socket *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (fcntl(list[i].fd, F_SETFD, FD_CLOEXEC) == -1)
			die("FD_CLOEXEC");
		fill_standard(list[i].standard);
	}
}

size_t
activation_take(struct activation_socket list[ACTIVATION_MAX])
{
	char **names = NULL;
	int i, n = systemd_listen_fds(&names), listening = 0;

	if (n == 0)
		return take_standard_input(&list[0]);
	errno = 0;
	if (n > ACTIVATION_MAX)
		die("%d sockets were passed, but at most %d are supported", n, ACTIVATION_MAX);
	for (i = 0; i < n; i++) {
		int fd = SYSTEMD_FIRST_FD + i;

		listening += systemd_is_listening(fd);
		list[i] = (struct activation_socket){ .fd = fd };
		fill_socket(&list[i], fd, names[i]);
		free(names[i]);
	}
	free(names);
	if (listening == n) {
		drop_standard_input();
		return (size_t)n;
	}
	if (n > 1)
		die("%d sockets were passed; expected listening ones (Accept=no) or one connection (Accept=yes)", n);
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

/*
 * Returns whether an error is the client's or its network's: accept(2) says to treat it like
 * EAGAIN.
 */
static bool
is_client_error(int error)
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
	if (fd == -1 && is_client_error(errno))
		errno = 0;
	return fd;
}
