#ifndef IMAPGATE_LISTENER_CONNECTIONS_H
#define IMAPGATE_LISTENER_CONNECTIONS_H

/*
 * The listener's table: who is connected, who of them is logged in, and who
 * has failed to log in lately. No other process has it: what monitors want to
 * know of it they ask (boundary/account.h). It outlives the image of this
 * program: the next one takes it over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"
#include "proto/network.h"

/* Connections and sessions together. */
#define CONNECTIONS_MAX	65536
_Static_assert(CONNECTIONS_MAX >= 2 * OPTIONS_LIMIT_MAX, "room for what the options may ask for");

/*
 * The network of clients on this host: by a Unix-domain socket, or from a
 * loopback address. A webmail's users are behind it, so its limits are three
 * quarters of all connections and sessions, and its failures are not
 * remembered. No address that is routed has this number (RFC 4291, 2.4).
 */
#define NETWORK_LOCAL	UINT64_C(2)

enum child_state {
	CHILD_NONE,
	CHILD_STARTING,		/* its zygote was asked for it */
	CHILD_RUNNING,
	CHILD_ENDED,
};

struct connection_process {
	enum child_state	state;
	pid_t			pid;		/* while it runs */
	int			status;		/* when it has ended, waitpid(2) */
};

/* One connection. The counted part is kept apart, close to that of others (connections.c). */
struct connection {
	uint32_t	slot, serial;	/* slots are used again, the pair of both is not */
	struct connection_process	gate, monitor;	/* the monitor becomes the mailbox program, or its keeper */
	int		client;		/* as long as there is no monitor; -1: closed */
	int		login;		/* our end of the gate's pair, as long */
	int		account;	/* our end of the monitor's pair */
	int64_t		deadline;	/* of the login; behind it, of a relay whose mailbox program has ended; 0: none */
	bool		imaps;		/* TLS begins with the connection */
	bool		got_message;	/* the gate has said something */
	bool		proxied;	/* among that, who the proxy's client is */
	bool		end_logged;	/* and how the connection ends */
	bool		violated;	/* a process of it was found to be none of ours */
	bool		peer_unknown;	/* a gate is to come when the monitor of --preauth peer has ended */
	bool		waited;		/* the monitor wants to know of the gate's end */
	bool		launched;	/* the mailbox program has taken the monitor's place */
	bool		relayed;	/* and the gate goes on as its relay */
	unsigned	logs;		/* lines of the gate */
	unsigned	generation;	/* of settings: which zygote its monitor is from (roles.h); ROLES_GENERATIONS: none is wanted */
	enum ktls_obstacle	no_ktls;
	struct peer	peer;
	char		tls[16], cipher[64];	/* for the log; empty: none of ours */
	int64_t		began;		/* its session, clock_ms() */
	char		name[MSG_NAME_MAX];	/* of the account, once it is logged in */
};

struct connections_count {
	unsigned	waiting;	/* not logged in */
	unsigned	sessions;	/* logged in */
	/* Since the table was made: */
	unsigned long	accepted;
	unsigned long	logins;
	unsigned long	failures;	/* logins that failed */
	unsigned long	refusals;	/* connections and logins that a limit was against */
};

/*
 * Makes a table, or takes over the one that this process had before it
 * executed itself anew: the descriptor is what connections_fd has said, -1 if
 * there is none. The table of another version makes place for a new one:
 * false then, and whatever else was left open is nobody's. Dies if there can be none.
 */
bool	connections_open(int fd);

/* The memory's descriptor, close-on-exec. */
int	connections_fd(void);

/* Has the descriptors of all connections survive execve(2), or not. */
void	connections_keep_on_exec(bool);

/*
 * Whom a client is counted as: its IPv4 address, or the first 64 bits of its
 * IPv6 address, since one customer has all the rest (RFC 6177). 0 is for
 * those whom no limit per address is for (--unlimited, --proxy), and who have
 * none: an address of zeros. Without --unlimited all loopback addresses are
 * NETWORK_LOCAL.
 */
uint64_t	connections_network(const struct options *, const uint8_t address[NETWORK_ADDRESS]);

/* The same of an address that accept(2) has returned. */
uint64_t	connections_network_of(const struct options *, const struct sockaddr_storage *from);

/* Finds a place for a connection that was accepted. Returns LIMIT_NONE and a connection of zeros with its slot, or the limit in its way. */
enum msg_limit	connections_reserve(const struct options *, uint64_t network, struct connection **);

/* It has turned out who the client is: a proxy had connected for it. */
enum msg_limit	connections_set_network(const struct connection *, const struct options *, uint64_t network);

/* A login has succeeded, see msg_logged_in. With LIMIT_NONE it is a session from here on. */
enum msg_limit	connections_log_in(struct connection *, const struct options *, const struct msg_logged_in *);

/* A login has failed. Returns how many different failures of its address are remembered (failures.h). */
unsigned	connections_failed(const struct connection *, const struct msg_failed *);

/* From here on it can't be logged in. */
void	connections_shut_down(const struct connection *);

bool	connections_is_shut_down(const struct connection *);
bool	connections_is_session(const struct connection *);

/* Its session has ended; what is left of it counts no more. */
void	connections_end_session(const struct connection *);

/* The place is free again. All that it had must be closed. */
void	connections_release(struct connection *);

/* The connection with these numbers, NULL if it is gone. */
struct connection	*connections_find(uint32_t slot, uint32_t serial);

/* The connection at a slot, NULL if there is none. For all: from 0 to below connections_end(). */
struct connection	*connections_at(uint32_t slot);
uint32_t		 connections_end(void);

/* One of its two children runs, by this process id. */
void	connections_set_pid(struct connection *, struct connection_process *, pid_t);

/* A child has ended: returns which, and fills whose; NULL if it is no connection's. */
struct connection_process	*connections_set_ended(pid_t, int status, struct connection **);

struct connections_count	connections_count(void);

/* Lines that are counted together. */
enum connections_line {
	LINE_END,		/* of a connection without a command */
	LINE_TLS_FAIL,
	LINE_AUTH_REFUSED,
};
#define LINES	3

/* Counts a line that a client causes without a login. Returns for how many it stands, itself included; 0: it must not be written (repeats.h). */
unsigned	connections_count_line(const struct connection *, enum connections_line);

/* The keys by which monitors make failures and accounts into numbers. */
void	connections_keys(uint8_t failure_key[MSG_KEY_SIZE], uint8_t account_key[MSG_KEY_SIZE]);

#endif
