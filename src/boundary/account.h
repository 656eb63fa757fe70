#ifndef IMAPGATE_BOUNDARY_ACCOUNT_H
#define IMAPGATE_BOUNDARY_ACCOUNT_H

/*
 * Messages between a monitor and the listener, which counts connections, sessions and failures.
 * Users and passwords are sent as numbers: HMACs with a key of this listener, so that its memory
 * can't be used to test guesses.
 */

#include <stdint.h>

#include "boundary/login.h"

/* Limits, named after their options. LIMIT_SHUTDOWN: the listener has ended the connection. */
enum msg_limit {
	LIMIT_NONE,
	LIMIT_MAX_CONNECTIONS,
	LIMIT_MAX_CONNECTIONS_PER_ADDRESS,
	LIMIT_MAX_SESSIONS,
	LIMIT_MAX_SESSIONS_PER_ADDRESS,
	LIMIT_MAX_SESSIONS_PER_USER,
	LIMIT_SHUTDOWN,
};

/* Returns the name of a limit's option without "--", for the log. */
const char	*msg_limit_name(enum msg_limit);

/* MSG_FAILED: a login has failed. */
struct msg_failed {
	uint64_t	user;		/* number of the user */
	uint64_t	attempt;	/* number of user and password */
	int64_t		when;		/* beginning of the attempt, clock_ms() */
	/* Log lines that were lost since the last message, see log_take_dropped(). */
	uint32_t	dropped;
};

struct msg_failed_answer {
	/* Different failures remembered of this network; 0: it is not counted. */
	uint32_t	failures;
};

/* MSG_LOGGED_IN: a login has succeeded, and becomes a session if no limit is exceeded. */
struct msg_logged_in {
	/* Number of the name that the client sent, whose failures are forgotten. */
	uint64_t	user;
	uint64_t	account;	/* number of the account */
	uint32_t	dropped;
	char		name[MSG_NAME_MAX];	/* of the account, for the log */
};

struct msg_logged_in_answer {
	uint32_t	limit;		/* enum msg_limit */
};

/* Answer to MSG_GATE_END, sent when the gate has exited. */
struct msg_gate_end_answer {
	int32_t		status;		/* as from waitpid(2) */
};

/* MSG_LAUNCHED: the monitor is about to execute the mailbox program. No answer. */
struct msg_launched {
	uint32_t	transport;	/* enum msg_transport */
	uint32_t	dropped;
};

/*
 * MSG_DROPPED, from a monitor that exits: log lines that were lost. No answer. MSG_PEER_UNKNOWN
 * has no body and no answer: the connection gets a gate.
 */
struct msg_dropped {
	uint32_t	dropped;
};

#endif
