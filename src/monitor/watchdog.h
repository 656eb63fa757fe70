#ifndef IMAPGATE_MONITOR_WATCHDOG_H
#define IMAPGATE_MONITOR_WATCHDOG_H

/*
 * Ends a monitor that waits for its gate or a PAM module: at the login's deadline, or by
 * SIGTERM. Also ends the gate's process.
 */

#include <stdint.h>
#include <sys/types.h>

#include "boundary/msg.h"

/*
 * Starts a timer that ends this process three seconds after the deadline (clock_ms()), and
 * handles SIGTERM from here on. Dies if there is no timer.
 */
void	watchdog_start(int64_t deadline);

/*
 * Sets the pid (0: child of the listener) and the descriptor of the gate that SIGTERM and the
 * deadline act on. Shuts down the descriptor if SIGTERM has arrived already.
 */
void	watchdog_set_gate(pid_t, int fd);

/*
 * Waits until the gate exits. Returns its exit status, EX_SOFTWARE if a signal killed it, or
 * EX_OSERR if waitpid(2) fails.
 */
int	watchdog_wait_for_gate(void);

/*
 * Prepare the log line that is written if this process hangs: in this login, whose message must
 * stay valid, or while waiting for the gate.
 */
void	watchdog_timeout_login(const struct msg_login *, unsigned attempt);
void	watchdog_timeout_gate(void);

/* Clears the prepared line, once the connection's end has been logged. */
void	watchdog_timeout_clear(void);

/* Sets the step in the current login's line. Does nothing without watchdog_timeout_login(). */
void	watchdog_timeout_step(const char *);

/* Restores SIGTERM's original disposition after a login, for the mailbox program. */
void	watchdog_restore_sigterm(void);

/* Stops the timer. */
void	watchdog_stop(void);

#endif
