#ifndef IMAPGATE_SYSTEMD_H
#define IMAPGATE_SYSTEMD_H

/*
 * libsystemd, loaded when it is needed: it depends on five libraries and costs as much as the
 * rest of a short connection. Under tcpserver and inetd it is never loaded, and need not be
 * installed. These functions read environment variables: call them before the environment is
 * cleared.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First passed descriptor: SD_LISTEN_FDS_START. */
#define SYSTEMD_FIRST_FD	3

/*
 * Returns the number of descriptors passed to this process, from SYSTEMD_FIRST_FD on, and their
 * names, which the caller frees. Leaves LISTEN_FDS and LISTEN_PID set. Returns 0 if there are
 * none. Dies if descriptors were passed but libsystemd can't be loaded.
 */
int	systemd_listen_fds(char ***names);

/* Returns whether a descriptor is a listening stream socket (sd_is_socket(3)). */
bool	systemd_is_listening(int fd);

/*
 * Sends a state to the service manager: "READY=1", "STATUS=..." (sd_notify(3)). Does nothing
 * without a service manager or libsystemd.
 */
void	systemd_notify(const char *state);

/* Returns the microseconds within which the service manager expects WATCHDOG=1; 0: no watchdog. */
uint64_t systemd_watchdog(void);

/*
 * Returns whether standard error is a stream into the journal (systemd.exec(5), JOURNAL_STREAM).
 * If so, the journal's own protocol may be used.
 */
bool	systemd_stderr_is_journal(void);

/*
 * Stores the name of this process's service, "" if there is none. Takes it from the control group
 * (/proc/self/cgroup, cgroups(7)).
 */
void	systemd_service_name(char *name, size_t size);

/*
 * Returns a new stream into the journal with this identifier, at LOG_INFO
 * (sd_journal_stream_fd(3)); -1 if there is none.
 */
int	systemd_journal_stream(const char *identifier);

#endif
