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
 * deadline act on. If SIGTERM has arrived already, shuts down the descriptor now.
 */
void	watchdog_set_gate(pid_t, int fd);

/*
 * Waits for the gate's end. Returns its exit status, EX_SOFTWARE if a signal killed it, or
 * EX_OSERR if waitpid(2) fails.
 */
int	watchdog_wait_for_gate(void);

/*
 * Prepare the log line for a hang from here on: in this login, whose message must stay valid, or
 * in waiting for the gate.
 */
void	watchdog_timeout_login(const struct msg_login *, unsigned attempt);
void	watchdog_timeout_end(void);

/* Prepares no line: the connection's end has been logged. */
void	watchdog_timeout_nothing(void);

/* Adds a step to the line of the current login. Does nothing without watchdog_timeout_login. */
void	watchdog_timeout_step(const char *);

/* Restores SIGTERM's original disposition after a login: it is for the mailbox program now. */
void	watchdog_restore_sigterm(void);

/* Stops the timer. */
void	watchdog_stop(void);

#endif
