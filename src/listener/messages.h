#ifndef IMAPGATE_LISTENER_MESSAGES_H
#define IMAPGATE_LISTENER_MESSAGES_H

/* A connection's gate and monitor are heard: one message a call, for one that never stops must not hold up others. */

#include <stdbool.h>

#include "listener/connections.h"

/* Before there is a monitor. False if there was none, or none more is heard. */
bool	messages_from_gate(struct connection *);
bool	messages_from_monitor(struct connection *);

/* The monitor has asked for the gate's end: answers, or notes that it will be answered. */
void	messages_answer_gate_end(struct connection *);

#endif
