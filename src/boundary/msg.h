#ifndef IMAPGATE_MSG_H
#define IMAPGATE_MSG_H

/*
 * The transport of all boundaries: SOCK_SEQPACKET pairs, so the kernel keeps
 * messages apart and there is nothing to parse: a type, then exactly the
 * struct that belongs to it, with as many descriptors as that says. The four
 * pages beside this file have the structs, one for each boundary.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/account.h"
#include "boundary/login.h"
#include "boundary/sign.h"
#include "boundary/spawn.h"

/* Questions are even, their answers odd; 0 is nothing. */
enum msg_type {
	/* login.h */
	MSG_LOGIN = 2,			/* may this client log in? */
	MSG_LOGIN_ANSWER = 3,
	MSG_LAUNCH = 4,			/* start the mailbox program */
	MSG_LAUNCH_ANSWER = 5,		/* to a relay: its stream */
	MSG_LOG = 6,			/* tell the administrator */
	MSG_PROXIED = 8,		/* the client is another */
	MSG_PROXIED_ANSWER = 9,
	MSG_PROGRAM_OUTPUT = 10,	/* has the mailbox program said something? */
	/* sign.h */
	MSG_KEY = 12,
	MSG_KEY_ANSWER = 13,
	MSG_SIGN = 14,			/* sign this part of a TLS handshake */
	MSG_SIGN_ANSWER = 15,
	MSG_PAIR = 16,
	MSG_SIGN_REPORT = 18,
	/* spawn.h */
	MSG_READY = 20,
	MSG_SPAWN_GATE = 22,
	MSG_SPAWN_MONITOR = 24,
	MSG_SPAWN_PEER = 26,		/* the same with peer_first, and so with a descriptor less */
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
	uint32_t	zero;			/* the body begins behind it, at a multiple of 8 */
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
 * Makes a message of this type, empty. All that is done to a message is done
 * to as much of it as its type has: a login is 20 times as long as the rest.
 */
void	msg_begin(struct msg *, enum msg_type);

/* Wipes a message that msg_begin or msg_recv has made; passwords are in some. */
void	msg_wipe(struct msg *);

/* The most descriptors that a message has. */
#define MSG_FDS		3

/* Makes a pair, both ends close-on-exec. Returns 0, or -1 with errno. */
int	msg_pair(int pair[2]);

/* Sends a message without descriptors in the size of its type. Returns 0, or -1 with errno: the other process is gone. */
int	msg_send(int fd, const struct msg *);

/* The same with the descriptors of its type; with wait false it fails with EAGAIN where it would have to wait. The descriptors stay open here. */
int	msg_send_fds(int fd, const struct msg *, const int *fds, bool wait);

/*
 * Receives one message. Returns 1, or 0 if the other process is gone. A
 * message of unknown type, of another size than its type's, with other than
 * its type's descriptors or with text that does not end in NUL is a bug().
 */
int	msg_recv(int fd, struct msg *);

/* The same with descriptors, close-on-exec, -1 where the type has none. */
int	msg_recv_fds(int fd, struct msg *, int fds[MSG_FDS]);

/*
 * The same for who serves others too: without waiting, and what would be a
 * bug() is -1 with wrong saying why. 0 is the end, or errno EAGAIN if there
 * is nothing now. Nothing of a message that is wrong stays open.
 */
int	msg_recv_now(int fd, struct msg *, int fds[MSG_FDS], const char **wrong);

/* Closes descriptors that were received with a message that nobody wants, and makes them -1. */
void	msg_close_fds(int fds[MSG_FDS]);

/*
 * Looks at the type of the message that comes next, without taking it and
 * without waiting. Returns 1, or 0 as msg_recv_now.
 */
int	msg_peek_type(int fd, uint32_t *type);

/* Fills dst (of size octets) with len octets of text and NULs to its end. Returns 0, or -1 if it holds a NUL or does not fit. */
int	msg_text(char *dst, size_t size, const char *text, size_t len);

#endif
