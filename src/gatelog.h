#ifndef IMAPGATE_GATELOG_H
#define IMAPGATE_GATELOG_H

/*
 * Log lines about gates, by their own request or after their end. Their format is documented
 * (manual, LOGS). log_context() must have named the connection.
 */

#include "base/log.h"
#include "boundary/msg.h"

enum gatelog {
	GATELOG_GOES_ON,
	GATELOG_ENDS,		/* the gate exits once its client has read its output */
	GATELOG_FAILS,		/* the gate has failed */
	GATELOG_WRONG,		/* a message that no honest gate sends; nothing is logged */
};

/*
 * Writes the line that a gate requests. Takes the number of events that it stands for, 0: nothing
 * is written. EVENT_TLS has no line: its protocol and cipher are checked to be plain words, for
 * log_context().
 */
enum gatelog	gatelog_write(const struct msg_log *, unsigned times);

/* Logs "tls-fail" with a reason. Takes the number of events, as above. */
void	gatelog_tls_failure(const char *text, unsigned times);

/* Logs "end" of a gate that has not requested a line. Takes its exit status. */
void	gatelog_died(int status);

/* Logs "end" with a reason of the monitor or listener. Takes the number of events, as above. */
void	gatelog_end(const char *reason, unsigned times);

/* Logs "bug": another process has broken the protocol. */
void	gatelog_bug(const char *text);

/* Returns the log's name for what prevents TLS by the kernel, NULL for an unknown value. */
const char	*gatelog_obstacle(enum ktls_obstacle);

#endif
