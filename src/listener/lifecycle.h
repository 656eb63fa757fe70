#ifndef IMAPGATE_LISTENER_LIFECYCLE_H
#define IMAPGATE_LISTENER_LIFECYCLE_H

/*
 * Operations on a connection, shared by serve.c, messages.c and spawn.c.
 */

#include <stdbool.h>

#include "config/options.h"
#include "listener/connections.h"

/*
 * Sets the options by whether TLS begins with the connection, and the function that reports a
 * shortage. Call it once, before the other functions.
 */
void	lifecycle_init(const struct options *opts[2], void (*on_shortage)(const char *what, const char *reason));

/* Returns a connection's options. NULL: those without TLS from the beginning. */
const struct options	*lifecycle_options(const struct connection *);

/* Makes log lines until lifecycle_end_log() name this connection's client and TLS. */
void	lifecycle_begin_log(const struct connection *);
void	lifecycle_end_log(void);

/* Closes one of a connection's descriptors and sets it to -1. Does nothing if it is -1. */
void	lifecycle_close(int *fd);

/* Returns whether a child was requested or runs. */
bool	lifecycle_is_alive(const struct connection_process *);

/* Kills a child with SIGKILL, if it runs. */
void	lifecycle_kill(const struct connection_process *);

/* Reports that descriptors, memory or processes are exhausted; accepting pauses for a moment. */
void	lifecycle_report_shortage(const char *what, const char *reason);

/*
 * Reports a shortage and logs the connection's end, since no monitor can be started. The caller
 * must close the login pair; the gate then sends a BYE.
 */
void	lifecycle_fail_monitor(struct connection *, const char *reason);

/*
 * Kills a child that violated the protocol and stops reading its messages. Takes the text of the
 * log line "bug".
 */
void	lifecycle_kill_compromised(struct connection *, const struct connection_process *, const char *text);

/* Closes and frees the connection if neither gate nor monitor is left. */
void	lifecycle_release_if_over(struct connection *);

#endif
