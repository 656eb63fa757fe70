#ifndef IMAPGATE_LISTENER_CONNECTIONS_H
#define IMAPGATE_LISTENER_CONNECTIONS_H

/*
 * The listener's table of connections, sessions and recent failed logins. No other process maps
 * it; monitors query it by messages (boundary/account.h). The table survives a re-execution of
 * the listener.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/peer.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "proto/network.h"

/* Connections and sessions together. */
#define CONNECTIONS_MAX	65536
_Static_assert(CONNECTIONS_MAX >= 2 * OPTIONS_LIMIT_MAX, "room for what the options may ask for");

/*
 * The network of clients on this host, which use a Unix-domain socket or a loopback address. All
 * users of a webmail come from there: its limits are three quarters of the limits for all
 * clients, and its failures are not remembered. No routed address has this number (RFC 4291,
 * 2.4).
 */
#define NETWORK_LOCAL	UINT64_C(2)

enum child_state {
	CHILD_NONE,
	CHILD_STARTING,		/* requested from its zygote */
	CHILD_RUNNING,
	CHILD_ENDED,
};

struct connection_process {
	enum child_state	state;
	pid_t			pid;		/* with CHILD_RUNNING and CHILD_ENDED */
	int			status;		/* with CHILD_ENDED: as from waitpid(2) */
};

/* One connection. The counted part is stored apart, next to that of the others (connections.c). */
struct connection {
	uint32_t	slot, serial;	/* slots are reused, a pair of both is not */
	/* The two children. The monitor becomes the mailbox program or a keeper. */
	struct connection_process	gate, monitor;
	int		client;		/* its socket, until there is a monitor; -1: closed */
	int		login;		/* the listener's end of the login pair, until then */
	int		account;	/* the listener's end of the monitor's pair */
	/* Deadline on clock_ms(): of the login, then of a relay without its mailbox program. */
	int64_t		deadline;
	bool		imaps;		/* TLS begins with the connection */
	bool		got_message;	/* the gate has sent a message */
	bool		proxied;	/* the gate has sent MSG_PROXIED */
	bool		end_logged;	/* the line about the connection's end is written */
	bool		compromised;	/* a child violated the protocol and was killed */
	/*
	 * The monitor of --preauth peer has declined: a gate is started when that monitor has
	 * exited.
	 */
	bool		peer_unknown;
	bool		awaits_gate;	/* the monitor waits for MSG_GATE_END_ANSWER */
	bool		launched;	/* the monitor has become the mailbox program */
	bool		relayed;	/* the gate stays as its relay */
	unsigned	logs;		/* log lines that the gate has sent */
	/* Settings generation of its monitor's zygote (roles.h); ROLES_GENERATIONS: released. */
	unsigned	generation;
	enum ktls_obstacle	no_ktls;
	struct peer	peer;
	char		tls[16], cipher[64];	/* for the log; "": no TLS in this program */
	int64_t		began;		/* start of the session, clock_ms() */
	char		name[MSG_NAME_MAX];	/* the account's name, after the login */
};

struct connections_count {
	unsigned	waiting;	/* before the login */
	unsigned	sessions;	/* after the login */
	/* Since the table was created: */
	unsigned long	accepted;
	unsigned long	logins;
	unsigned long	failures;	/* failed logins */
	unsigned long	refusals;	/* connections and logins that exceeded a limit */
};

/*
 * Creates the table, or restores the one that this process had before it executed itself. Takes
 * the descriptor that connections_fd() returned then, -1: none. Returns false if that table has
 * another layout: a new one is created, and the descriptors of the old connections are left open.
 * Dies on failure.
 */
bool	connections_open(int fd);

/* Returns the descriptor of the table's memory, which is close-on-exec. */
int	connections_fd(void);

/*
 * Makes the descriptors of all connections survive execve(2), or makes them close-on-exec again.
 */
void	connections_keep_on_exec(bool);

/*
 * Returns the number by which limits count a client: its IPv4 address, or the first 64 bits of
 * its IPv6 address, since one customer has all the rest (RFC 6177). Returns 0 if no limit per
 * address applies: --unlimited, --proxy, or an address of zeros. Returns NETWORK_LOCAL for
 * loopback addresses, unless --unlimited is set.
 */
uint64_t	connections_network(const struct options *, const uint8_t address[NETWORK_ADDRESS_LEN]);

/* Returns what connections_network() does, for an address from accept(2). */
uint64_t	connections_network_of(const struct options *, const struct sockaddr_storage *from);

/*
 * Reserves a slot for an accepted connection. Takes its network. Returns LIMIT_NONE and a
 * connection that is zero but for its slot, serial and descriptors (-1); or the limit that it
 * would exceed.
 */
enum msg_limit	connections_reserve(const struct options *, uint64_t network, struct connection **);

/*
 * Changes the network, once a proxy has named its client. Returns the limit that the client
 * exceeds, LIMIT_NONE if there is none.
 */
enum msg_limit	connections_set_network(const struct connection *, const struct options *, uint64_t network);

/*
 * Turns a connection into a session after a successful login (struct msg_logged_in). Returns
 * LIMIT_NONE, or the limit that one more session would exceed.
 */
enum msg_limit	connections_log_in(struct connection *, const struct options *, const struct msg_logged_in *);

/*
 * Counts a failed login. Returns how many different failures of its network are remembered
 * (failures.h); 0: it is not counted.
 */
unsigned	connections_failed(const struct connection *, const struct msg_failed *);

/* Forbids the connection to log in from now on. */
void	connections_shut_down(const struct connection *);

bool	connections_is_shut_down(const struct connection *);
bool	connections_is_session(const struct connection *);

/* Ends the session. The rest of the connection is not counted. */
void	connections_end_session(const struct connection *);

/* Frees the slot. The connection's descriptors must be closed. */
void	connections_release(struct connection *);

/* Returns the connection with this slot and serial, NULL if there is none any more. */
struct connection	*connections_find(uint32_t slot, uint32_t serial);

/*
 * Returns the connection at a slot, NULL if the slot is free. Slots in use are below
 * connections_end().
 */
struct connection	*connections_at(uint32_t slot);
uint32_t		 connections_end(void);

/* Records the process id of a child that runs; the child is &c->gate or &c->monitor. */
void	connections_set_pid(struct connection *, struct connection_process *, pid_t);

/* Returns whether this process is a child of a connection and runs. */
bool	connections_has_pid(pid_t);

/*
 * Records the end of a child. Takes its status as from waitpid(2). Returns the child and fills
 * its connection; returns NULL if the process belongs to no connection.
 */
struct connection_process	*connections_set_ended(pid_t, int status, struct connection **);

struct connections_count	connections_count(void);

/* Kinds of lines whose number per network is limited. */
enum connections_line {
	LINE_END,		/* end of a connection that sent no command */
	LINE_TLS_FAIL,
	LINE_AUTH_REFUSED,
};
#define LINES	3

/*
 * Counts a line that a client can cause without a login. Returns how many lines it stands for,
 * itself included; 0: it must not be written (repeats.h).
 */
unsigned	connections_count_line(const struct connection *, enum connections_line);

/* Copies the keys by which monitors turn failures and accounts into numbers. */
void	connections_keys(uint8_t failure_key[MSG_KEY_SIZE], uint8_t account_key[MSG_KEY_SIZE]);

#endif
