#ifndef IMAPGATE_GATELOG_H
#define IMAPGATE_GATELOG_H

/*
 * Log lines about gates, requested by a gate or written after its end. The manual (LOGS) documents
 * their format. log_context() must have been called to name the connection.
 */

#include "base/log.h"
#include "boundary/msg.h"

enum gatelog {
	GATELOG_CONTINUES,
	GATELOG_EXITS,		/* the gate exits when its client has read its output */
	GATELOG_FAILED,		/* the gate has failed */
	GATELOG_INVALID,	/* a message that no honest gate sends; nothing is logged */
};

/*
 * Writes the line that a gate requests. times: number of events that the line stands for, 0: none
 * is written. For EVENT_TLS writes nothing, but checks that protocol and cipher are plain words
 * (word.h), for log_context().
 */
enum gatelog	gatelog_write(const struct msg_log *, unsigned times);

/* Logs "tls-fail" with a reason. times: as above. */
void	gatelog_tls_failure(const char *text, unsigned times);

/* Logs "end" of a gate that has not requested a line. status: exit status of the gate. */
void	gatelog_died(int status);

/* Logs "end" with a reason of the monitor or listener. times: as above. */
void	gatelog_end(const char *reason, unsigned times);

/* Logs "bug": another process has broken the protocol. */
void	gatelog_bug(const char *text);

/* Returns the log's name for an obstacle to TLS by the kernel, NULL for an unknown value. */
const char	*gatelog_obstacle(enum ktls_obstacle);

#endif
