#ifndef IMAPGATE_GATELOG_H
#define IMAPGATE_GATELOG_H

/*
 * What a gate wants the administrator to read, and how it has ended. Each
 * event is in one place: their form is a promise (see the manual, LOGS).
 * log_context must say whose connection it is.
 */

#include "boundary/msg.h"
#include "base/log.h"

enum gatelog {
	GATELOG_GOES_ON,
	GATELOG_ENDS,		/* the client's part is over: the gate exits as soon as its last words are read */
	GATELOG_FAILS,		/* the gate has given up */
	GATELOG_WRONG,		/* no gate of ours says so; nothing was written */
};

/*
 * Writes the line. Takes for how many such lines it stands; 0: it is not
 * written. With EVENT_TLS there is none: protocol and cipher were found to be
 * plain words, for log_context.
 */
enum gatelog	gatelog_write(const struct msg_log *, unsigned times);

/* tls-fail: text is OpenSSL's, or ours. Takes times as above. */
void	gatelog_tls_failure(const char *text, unsigned times);

/* end of a gate that told nothing: with this exit status. */
void	gatelog_died(int status);

/* end for a reason of ours. Takes times as above. */
void	gatelog_end(const char *reason, unsigned times);

/* bug: a gate, or another process of ours, has done what it never should. */
void	gatelog_bug(const char *text);

/* The word for why the kernel does no TLS; NULL if there is none. */
const char	*gatelog_obstacle(enum ktls_obstacle);

#endif
