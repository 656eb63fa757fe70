#ifndef IMAPGATE_MSG_H
#define IMAPGATE_MSG_H

/*
 * The transport of all messages between processes: SOCK_SEQPACKET pairs. The kernel keeps
 * messages apart, so nothing is parsed: each is a type, the struct of that type, and the
 * descriptors of that type. The other headers in this directory have the structs, one header for
 * each pair of processes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/account.h"
#include "boundary/login.h"
#include "boundary/sign.h"
#include "boundary/spawn.h"

/* Requests are even, their answers odd. 0 is no message. */
enum msg_type {
	/* login.h */
	MSG_LOGIN = 2,			/* authenticates a client */
	MSG_LOGIN_ANSWER = 3,
	MSG_LAUNCH = 4,			/* starts the mailbox program */
	MSG_LAUNCH_ANSWER = 5,		/* to a relay: its stream */
	MSG_LOG = 6,			/* writes a log line */
	MSG_PROXIED = 8,		/* reports the client of a proxy */
	MSG_PROXIED_ANSWER = 9,
	MSG_PROGRAM_OUTPUT = 10,	/* reports whether the mailbox program has written anything */
	/* sign.h */
	MSG_KEY = 12,
	MSG_KEY_ANSWER = 13,
	MSG_SIGN = 14,			/* signs a part of a TLS handshake */
	MSG_SIGN_ANSWER = 15,
	MSG_PAIR = 16,
	MSG_SIGN_REPORT = 18,
	/* spawn.h */
	MSG_READY = 20,
	MSG_SPAWN_GATE = 22,
	MSG_SPAWN_MONITOR = 24,
	/* The same for --preauth peer: without a gate, and so with one descriptor less. */
	MSG_SPAWN_PEER = 26,
	MSG_SPAWNED = 27,
	/* account.h */
	MSG_FAILED = 28,
	MSG_FAILED_ANSWER = 29,
	MSG_LOGGED_IN = 30,
	MSG_LOGGED_IN_ANSWER = 31,
	MSG_GATE_END = 32,
	MSG_GATE_END_ANSWER = 33,
	MSG_LAUNCHED = 34,
	MSG_PEER_UNKNOWN = 36,		/* --preauth peer: the client gets a gate */
	MSG_DROPPED = 38,
};
#define MSG_TYPES	(MSG_DROPPED + 1)

struct msg {
	uint32_t	type;			/* enum msg_type */
	uint32_t	zero;			/* aligns the body to 8 octets */
	union {
		struct msg_login		login;
		struct msg_login_answer		login_answer;
		struct msg_launch		launch;
		struct msg_log			log;
		struct msg_proxied		proxied;
		struct msg_proxied_answer	proxied_answer;
		struct msg_program_output	program_output;
		struct msg_key			key;
		struct msg_key_answer		key_answer;
		struct msg_sign			sign;
		struct msg_sign_answer		sign_answer;
		struct msg_pair			pair;
		struct msg_sign_report		sign_report;
		struct msg_ready		ready;
		struct msg_spawn_gate		spawn_gate;
		struct msg_spawn_monitor	spawn_monitor;
		struct msg_spawned		spawned;
		struct msg_failed		failed;
		struct msg_failed_answer	failed_answer;
		struct msg_logged_in		logged_in;
		struct msg_logged_in_answer	logged_in_answer;
		struct msg_gate_end_answer	gate_end_answer;
		struct msg_launched		launched;
		struct msg_dropped		dropped;
	} u;
};

/*
 * Makes an empty message of a type. Only the body of this type is cleared, sent and wiped: a login
 * is 20 times as long as most others.
 */
void	msg_begin(struct msg *, enum msg_type);

/* Wipes a message of msg_begin() or msg_recv(), since some hold passwords. */
void	msg_wipe(struct msg *);

/* Largest number of descriptors of a message. */
#define MSG_FDS_MAX		3

/* Makes a connected pair, both ends close-on-exec. Returns 0, or -1 with errno. */
int	msg_pair(int pair[2]);

/*
 * Sends a message of a type without descriptors. Returns 0, or -1 with errno: the receiver has
 * exited.
 */
int	msg_send(int fd, const struct msg *);

/*
 * Sends a message with the descriptors of its type, which stay open here. Returns 0, or -1 with
 * errno: EAGAIN if wait is false and the socket is full.
 */
int	msg_send_fds(int fd, const struct msg *, const int *fds, bool wait);

/*
 * Receives a message without descriptors. Returns 1, or 0 if the sender has exited. Calls bug()
 * for a malformed message: unknown type, size or descriptors other than the type's, text without
 * NUL.
 */
int	msg_recv(int fd, struct msg *);

/*
 * Receives a message like msg_recv(), with its descriptors: close-on-exec, -1 where the type has
 * none.
 */
int	msg_recv_fds(int fd, struct msg *, int fds[MSG_FDS_MAX]);

/*
 * Receives a message without waiting, for a process that serves others too. Returns 1; 0 if there
 * is none (errno EAGAIN) or the sender has exited (any other errno, or 0); -1 and sets error if the
 * message is malformed. The descriptors of a malformed message are closed.
 */
int	msg_recv_now(int fd, struct msg *, int fds[MSG_FDS_MAX], const char **error);

/* Closes the descriptors of a received message and sets them to -1. */
void	msg_close_fds(int fds[MSG_FDS_MAX]);

/*
 * Reads the type of the next message, which stays in the socket. Does not wait. Returns 1, or 0
 * like msg_recv_now(). Sets type to 0 if the message is too short to have one.
 */
int	msg_peek_type(int fd, uint32_t *type);

/*
 * Fills dst (size octets) with text of len octets and NULs. Returns 0; -1 if the text has a NUL
 * or does not fit with one.
 */
int	msg_text(char *dst, size_t size, const char *text, size_t len);

#endif
