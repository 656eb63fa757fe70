#ifndef IMAPGATE_BOARD_H
#define IMAPGATE_BOARD_H

/*
 * The board: what a listener and its monitors know together. Who is
 * connected, who of them is logged in, and who has failed to log in lately.
 * The listener makes it and its children inherit it; without a listener there
 * is none, and every function that takes a seat does nothing then.
 *
 * It is memory that all of them write to. Each thing in it is one atomic
 * variable, so there is no lock that somebody could die with; and numbers of
 * connections are counted whenever they are wanted, so none can be wrong for
 * long. Whether a client is logged in or sent away is decided by whoever
 * comes first, its monitor or the listener (compare and exchange).
 *
 * SECURITY: a gate that was taken over must neither read it nor write to it:
 * board_hide.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "options.h"
#include "proto/network.h"

/* Connections and sessions together. */
#define BOARD_SLOTS	65536
_Static_assert(BOARD_SLOTS >= 2 * OPTIONS_LIMIT_MAX, "room for what the options may ask for");

struct board;

/* One process's place on it. All zeros is nobody's: there is no board. */
struct board_seat {
	struct board		*board;
	struct board_slot	*slot;
};

/* What is in a connection's way: the options of these names, or that the listener has sent it away. */
enum board_limit {
	BOARD_UNLIMITED,
	BOARD_MAX_CONNECTIONS,
	BOARD_MAX_CONNECTIONS_PER_ADDRESS,
	BOARD_MAX_SESSIONS,
	BOARD_MAX_SESSIONS_PER_ADDRESS,
	BOARD_MAX_SESSIONS_PER_USER,
	BOARD_SHUTDOWN,
};

/* One connection, for the lines that the listener logs about it. */
struct board_client {
	char	address[64];			/* numeric; empty if it is not known yet */
	char	user[LOG_CLIENT_TEXT + 2];	/* of a session, cut behind what a line shows; else empty */
	int64_t	began;				/* the session, on clock_ms(); 0: there is none */
};

struct board_counts {
	unsigned	connections;	/* not logged in */
	unsigned	sessions;	/* logged in */
	/* Since the board was made: */
	unsigned long	accepted;	/* connections that got a process */
	unsigned long	logins;
	unsigned long	failures;	/* logins that failed */
	unsigned long	refusals;	/* connections and logins that a limit was against */
};

/*
 * The network of clients on this host: by a Unix-domain socket, or from a
 * loopback address. A webmail's users are behind it, so its limits are three
 * quarters of all connections and sessions, and its failures are not
 * remembered. No address that is routed has this number (RFC 4291, 2.4).
 */
#define BOARD_LOCAL	UINT64_C(2)

/* A word for the log: the option's name. */
const char	*board_limit_name(enum board_limit);

/*
 * Whom a client is counted as: its IPv4 address, or the first 64 bits of its
 * IPv6 address, since one customer has all the rest (RFC 6177). 0 is for
 * those whom no limit per address is for (--unlimited, --proxy), and who have
 * none: an address of zeros. Without --unlimited all loopback addresses are
 * BOARD_LOCAL.
 */
uint64_t	board_network(const struct options *, const uint8_t address[NETWORK_ADDRESS]);

/* The listener's side. */

/*
 * Makes a board, or takes over the one that this process had before it
 * executed itself anew: the descriptor is what board_fd has said, -1 if there
 * is none. A board of another version's makes place for a new one. Dies if
 * there can be none.
 */
struct board	*board_open(int fd);

/* The memory's descriptor, close-on-exec. */
int	board_fd(const struct board *);

/*
 * Finds a seat for a connection that was accepted. Call it before fork(2), so
 * that the child knows its seat. With any limit in the way there is none.
 */
enum board_limit	board_admit(struct board *, const struct options *, uint64_t network, struct board_seat *);

/* The child was born. Its end can be heard of by board_leave only later, in the one process that calls both. */
void	board_enter(const struct board_seat *, pid_t);

/* It was not. */
void	board_cancel(const struct board_seat *);

/* Finds what is known of a child's client, before board_leave. False, and all is empty, for a child that sits nowhere. */
bool	board_find(const struct board *, pid_t, struct board_client *);

/* A child has ended; any that sits nowhere is none of ours. */
void	board_leave(struct board *, pid_t);

/* Sends SIGTERM to all who are not logged in; from here on they can't be. */
void	board_dismiss(struct board *);

struct board_counts	board_count(const struct board *);

/* The monitor's side. */

/* Keeps the board from all children of this process that are yet to be born. */
void	board_hide(const struct board_seat *);

/* Lets go of the board: what this process is to become has no business with it. The seat stays taken, but is not known to us any more. */
void	board_detach(struct board_seat *);

/* Notes the client's numeric address for the listener's lines. */
void	board_describe(const struct board_seat *, const char *address);

/* It has turned out who the client is: a proxy had connected for it. */
enum board_limit	board_move(const struct board_seat *, const struct options *, uint64_t network);

/*
 * A login has succeeded, by the name that the client gave, of this account.
 * It is a session from here on unless a limit is against it, this user's
 * failures from here are forgiven, and SIGTERM will not come from the listener
 * any more; if it has come already, the answer is BOARD_SHUTDOWN.
 */
enum board_limit	board_log_in(const struct board_seat *, const struct options *, const char *user, const char *account);

/* Lines that are counted together. */
enum board_line {
	BOARD_LINE_END,		/* of a connection without a command */
	BOARD_LINE_TLS_FAIL,
	BOARD_LINE_AUTH_REFUSED,
};
#define BOARD_LINES	3

/*
 * Counts a line that a client causes without a login. Returns for how many it
 * stands, itself included; 0: it must not be written (repeats.h). Without a
 * board it is always 1.
 */
unsigned	board_count_line(const struct board_seat *, enum board_line, const uint8_t address[NETWORK_ADDRESS]);

/*
 * A login has failed, at a time of clock_ms(). Returns how many different
 * failures of this address are remembered, see failures.h; 0 if none are for
 * lack of a board or of an address.
 */
unsigned	board_failed(const struct board_seat *, const char *user, const char *secret, int64_t now);

#endif
