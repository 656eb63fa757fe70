#ifndef IMAPGATE_BOUNDARY_ACCOUNT_H
#define IMAPGATE_BOUNDARY_ACCOUNT_H

/*
 * What a monitor tells and asks the listener, which counts connections,
 * sessions and failures. Users and passwords come as numbers: a HMAC by a key
 * of this listener's, so that nothing in its memory can be tried out.
 */

#include <stdint.h>

#include "boundary/login.h"

/* Limits, by the names of their options; or the listener has sent the connection away. */
enum msg_limit {
	LIMIT_NONE,
	LIMIT_MAX_CONNECTIONS,
	LIMIT_MAX_CONNECTIONS_PER_ADDRESS,
	LIMIT_MAX_SESSIONS,
	LIMIT_MAX_SESSIONS_PER_ADDRESS,
	LIMIT_MAX_SESSIONS_PER_USER,
	LIMIT_SHUTDOWN,
};

/* A word for the log: the option's name. */
const char	*msg_limit_name(enum msg_limit);

/* A login has failed. */
struct msg_failed {
	uint64_t	user;		/* of whom */
	uint64_t	attempt;	/* of whom, with which password */
	int64_t		when;		/* it began, clock_ms() */
	uint32_t	dropped;	/* lines of the log, see log_take_dropped */
};

struct msg_failed_answer {
	uint32_t	failures;	/* different ones that are remembered of this address; 0: none are */
};

/* A login has succeeded. If no limit is against it, it is a session from here on. */
struct msg_logged_in {
	uint64_t	user;		/* as the client has named it: its failures are forgiven */
	uint64_t	account;
	uint32_t	dropped;
	char		name[MSG_NAME_MAX];	/* of the account, for the log */
};

struct msg_logged_in_answer {
	uint32_t	limit;		/* enum msg_limit */
};

/* How has the gate ended? The answer comes when it has. */
struct msg_gate_end_answer {
	int32_t		status;		/* of waitpid(2) */
};

/* The mailbox program takes the monitor's place now. No answer. */
struct msg_launched {
	uint32_t	transport;	/* enum msg_transport */
	uint32_t	dropped;
};

/* No answer: PEER_UNKNOWN, after which the connection gets a gate; and the lines that a monitor that ends has lost. */
struct msg_dropped {
	uint32_t	dropped;
};

#endif
