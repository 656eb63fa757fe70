#ifndef IMAPGATE_LISTENER_MESSAGES_H
#define IMAPGATE_LISTENER_MESSAGES_H

/*
 * Reads messages of a connection's gate and monitor: one per call, so that a process that never
 * stops sending can't hold up others.
 */

#include <stdbool.h>

#include "listener/connections.h"

/*
 * Read and handle one message, without waiting. Return false if there is none, or none more will
 * be read. messages_from_gate() reads the gate's pair until a monitor takes that over.
 */
bool	messages_from_gate(struct connection *);
bool	messages_from_monitor(struct connection *);

/* Answers MSG_GATE_END if the gate has ended; else notes that the monitor waits for it. */
void	messages_answer_gate_end(struct connection *);

#endif
