#ifndef IMAPGATE_MONITOR_WATCHDOG_H
#define IMAPGATE_MONITOR_WATCHDOG_H

/*
 * What may interrupt a monitor that waits, for its gate or for a PAM module:
 * the deadline of the login, and SIGTERM. And the gate's process, which both
 * of them end.
 */

#include <stdint.h>
#include <sys/types.h>

#include "boundary/msg.h"

/* From here on the deadline (clock_ms) ends this process some seconds later, if it could not end by itself; SIGTERM is obeyed. */
void	watchdog_start(int64_t deadline);

/* The gate that is heard from here on, by its process (0: it is the listener's child) and our end of its pair. If SIGTERM has come before, it is told now. */
void	watchdog_set_gate(pid_t, int fd);

/* Waits for its end; its exit status, or EX_SOFTWARE if something has killed it. */
int	watchdog_wait_for_gate(void);

/* What will be logged if this process hangs from here on: a module in the login that begins, or the gate. */
void	watchdog_timeout_login(const struct msg_login *, unsigned attempt);
void	watchdog_timeout_end(void);

/* Nothing will be logged: the connection's end is in the log already. */
void	watchdog_timeout_nothing(void);

/* The login of watchdog_timeout_login goes on to this step, a word for the log. Does nothing if there is none. */
void	watchdog_timeout_step(const char *);

/* Somebody is logged in: SIGTERM is for the mailbox program now, and its disposition as it was found. */
void	watchdog_restore_sigterm(void);

/* There is no deadline any more. */
void	watchdog_stop(void);

#endif
