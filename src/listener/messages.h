#ifndef IMAPGATE_LISTENER_MESSAGES_H
#define IMAPGATE_LISTENER_MESSAGES_H

/*
 * Reads messages of a connection's gate and monitor: one per call, so that a process that never
 * stops sending can't hold up others.
 */

#include <stdbool.h>

#include "listener/connections.h"

/*
 * Read and handle one message, without waiting. Return false if there is none, or no more will be
 * read. messages_from_gate() reads the gate's pair until a monitor has it.
 */
bool	messages_from_gate(struct connection *);
bool	messages_from_monitor(struct connection *);

/* Answers MSG_GATE_END if the gate has exited; else notes that the monitor waits for that. */
void	messages_answer_gate_end(struct connection *);

#endif
