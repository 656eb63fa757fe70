/*
 * Loads libsystemd when it is needed, see systemd.h. Run by main, the listener and the monitor,
 * as root: dlopen(3) searches the same folders as a linked program.
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
 * Functions of libsystemd, with the types of its headers. The first is the youngest, from systemd
 * 227.
 */
static struct {
	__typeof__(sd_listen_fds_with_names)	*listen_fds_with_names;
	__typeof__(sd_is_socket)		*is_socket;
	__typeof__(sd_notify)			*notify;
	__typeof__(sd_watchdog_enabled)		*watchdog_enabled;
	__typeof__(sd_journal_stream_fd)	*journal_stream_fd;
} call;

/* Loads libsystemd. Returns NULL, or the reason of the failure. */
static const char *
load_libsystemd(void)
{
	static void *library;

	if (library == NULL)
		library = dlopen(LIBRARY, RTLD_NOW);
	if (library == NULL)
		return dlerror();
	call.listen_fds_with_names = dlsym(library, "sd_listen_fds_with_names");
	call.is_socket = dlsym(library, "sd_is_socket");
	call.notify = dlsym(library, "sd_notify");
	call.watchdog_enabled = dlsym(library, "sd_watchdog_enabled");
	call.journal_stream_fd = dlsym(library, "sd_journal_stream_fd");
	return call.listen_fds_with_names != NULL ? NULL : LIBRARY " is older than version 227";
}

int
systemd_listen_fds(char ***names)
{
	const char *wrong;
	int n;

	if (getenv("LISTEN_FDS") == NULL || getenv("LISTEN_PID") == NULL)
		return 0;
	wrong = load_libsystemd();
	errno = 0;
	if (wrong != NULL)
		die("what sockets were passed can't be found out: %s", wrong);
	n = call.listen_fds_with_names(0, names);
	return n > 0 ? n : 0;
}

bool
systemd_is_listening(int fd)
{
	return load_libsystemd() == NULL && call.is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0;
}

void
systemd_notify(const char *state)
{
	if (getenv("NOTIFY_SOCKET") != NULL && load_libsystemd() == NULL)
		call.notify(0, state);
}

uint64_t
systemd_watchdog(void)
{
	uint64_t usec;

	if (getenv("WATCHDOG_USEC") == NULL || load_libsystemd() != NULL || call.watchdog_enabled(0, &usec) <= 0)
		return 0;
	return usec;
}

bool
systemd_has_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char wanted[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) == -1)
		return false;
	snprintf(wanted, sizeof(wanted), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, wanted) == 0;
}

/* Finds the first folder in a control group's path that is a service's. Changes the path. */
static const char *
service_in(char *path)
{
	const char *word = strtok(path, "/\n");

	while (word != NULL) {
		const char *dot = strrchr(word, '.');

		if (dot != NULL && strcmp(dot, ".service") == 0)
			break;
		word = strtok(NULL, "/\n");
	}
	return word;
}

void
systemd_own_service(char *name, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t room = 0;

	name[0] = '\0';
	if (f == NULL)
		return;
	/* One line for each hierarchy; systemd's is the first with a service. */
	while (name[0] == '\0' && getline(&line, &room, f) > 0) {
		const char *found = service_in(line);

		if (found != NULL && strlen(found) < size)
			strcpy(name, found);
	}
	free(line);
	fclose(f);
}

int
systemd_journal_stream(const char *identifier)
{
	return load_libsystemd() == NULL ? call.journal_stream_fd(identifier, LOG_INFO, 1) : -1;
}
