#ifndef IMAPGATE_SYSTEMD_H
#define IMAPGATE_SYSTEMD_H

/*
 * libsystemd, loaded when it is needed: it brings five libraries with it and
 * costs a process as much as all else that a short connection takes. Whether
 * it is needed, the environment says; so ask before that is cleared. Where
 * nothing of systemd's is about, as under tcpserver and inetd, none of it is
 * ever in the process, and a machine need not have it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first of the descriptors that were passed: SD_LISTEN_FDS_START. */
#define SYSTEMD_FIRST	3

/*
 * How many descriptors were passed to this process, from SYSTEMD_FIRST on, and their names, which malloc(3) gave (NULL: not
 * wanted). The variables that said so stay. Returns 0 if there are
 * none; dies if there are and libsystemd is not there to say which.
 */
int	systemd_listen_fds(char ***names);

/* Is this descriptor one of them that listens (sd_is_socket(3))? */
bool	systemd_is_listening(int fd);

/* Tells the service manager, as sd_notify(3): "READY=1", "STATUS=...". Nothing if there is none, or no libsystemd. */
void	systemd_notify(const char *state);

/* The time in microseconds after which the service manager gives us up without a WATCHDOG=1; 0: it does not watch. */
uint64_t systemd_watchdog(void);

/* Has systemd made standard error a stream into the journal? Then its own protocol is welcome there too (systemd.exec(5), JOURNAL_STREAM). */
bool	systemd_has_stderr(void);

/*
 * Stores the name of the service that this process was started in, as its
 * control group has it (/proc/self/cgroup, cgroups(7)); "" if it is in none.
 */
void	systemd_own_service(char *name, size_t size);

/* A new descriptor whose lines become entries of this identifier at LOG_INFO (sd_journal_stream_fd(3)); -1 if there is none. */
int	systemd_journal_stream(const char *identifier);

#endif
