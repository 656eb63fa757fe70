/*
 * Loads libsystemd when it is needed, see systemd.h. Run by main, the listener and monitors.
 *
 * SECURITY: as root; dlopen(3) searches the same directories as the dynamic linker.
 */

#include "base/systemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/log.h"

#define LIBRARY	"libsystemd.so.0"

/*
 * Functions of libsystemd, with the types of its headers. The first is the newest (systemd 227):
 * if it exists, so do the others.
 */
static struct {
	__typeof__(sd_listen_fds_with_names)	*listen_fds_with_names;
	__typeof__(sd_is_socket)		*is_socket;
	__typeof__(sd_notify)			*notify;
	__typeof__(sd_watchdog_enabled)		*watchdog_enabled;
	__typeof__(sd_journal_stream_fd)	*journal_stream_fd;
} libsystemd;

/* Loads libsystemd. Returns NULL, or the reason for the failure. */
static const char *
load_libsystemd(void)
{
	static void *library;

	if (library == NULL)
		library = dlopen(LIBRARY, RTLD_NOW);
	if (library == NULL)
		return dlerror();
	libsystemd.listen_fds_with_names = dlsym(library, "sd_listen_fds_with_names");
	libsystemd.is_socket = dlsym(library, "sd_is_socket");
	libsystemd.notify = dlsym(library, "sd_notify");
	libsystemd.watchdog_enabled = dlsym(library, "sd_watchdog_enabled");
	libsystemd.journal_stream_fd = dlsym(library, "sd_journal_stream_fd");
	return libsystemd.listen_fds_with_names != NULL ? NULL : LIBRARY " is older than version 227";
}

int
systemd_listen_fds(char ***names)
{
	const char *error;
	int n;

	if (getenv("LISTEN_FDS") == NULL || getenv("LISTEN_PID") == NULL)
		return 0;
	error = load_libsystemd();
	errno = 0;
	if (error != NULL)
		die("can't read the sockets passed by systemd: %s", error);
	n = libsystemd.listen_fds_with_names(0, names);
	return n > 0 ? n : 0;
}

bool
systemd_is_listening(int fd)
{
	return load_libsystemd() == NULL && libsystemd.is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0;
}

void
systemd_notify(const char *state)
{
	if (getenv("NOTIFY_SOCKET") != NULL && load_libsystemd() == NULL)
		libsystemd.notify(0, state);
}

uint64_t
systemd_watchdog(void)
{
	uint64_t usec;

	if (getenv("WATCHDOG_USEC") == NULL || load_libsystemd() != NULL || libsystemd.watchdog_enabled(0, &usec) <= 0)
		return 0;
	return usec;
}

bool
systemd_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char wanted[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) == -1)
		return false;
	snprintf(wanted, sizeof(wanted), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, wanted) == 0;
}

/*
 * Returns the first component of a control group's path that names a service, NULL if there is
 * none. Changes the path.
 */
static const char *
find_service(char *path)
{
	const char *component = strtok(path, "/\n");

	while (component != NULL) {
		const char *dot = strrchr(component, '.');

		if (dot != NULL && strcmp(dot, ".service") == 0)
			break;
		component = strtok(NULL, "/\n");
	}
	return component;
}

void
systemd_service_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t line_size = 0;

	name[0] = '\0';
	if (f == NULL)
		return;
	/* There is a line for each hierarchy; the first with a service is systemd's. */
	while (name[0] == '\0' && getline(&line, &line_size, f) > 0) {
		const char *found = find_service(line);

		if (found != NULL && strlen(found) < size)
			strcpy(name, found);
	}
	free(line);
	fclose(f);
}

int
systemd_journal_stream(const char *identifier)
{
	return load_libsystemd() == NULL ? libsystemd.journal_stream_fd(identifier, LOG_INFO, 1) : -1;
}
