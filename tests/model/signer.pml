/*
 * The signer, its zygote and its gates, which are in the hands of their
 * clients (src/signer/signer.c): one signature for each handshake. Descriptors
 * are numbers that are used again, the lowest first, and epoll_wait(2) says of
 * several at a time that there is something to read. Inlines have the names of
 * the C functions.
 */

#include "code.h"

#define GATES		2
#define QUESTIONS	2	/* that a gate may ask, and the listener */
#define KEYS		1	/* that the zygote may ask for */
#define DESCRIPTORS	(GATES + 2)

/* Kinds of the signer's descriptors. */
#define CLOSED		0
#define CONTROL		1	/* the listener */
#define SIGNING		2	/* the zygote */
#define PAIR		3

/* The first numbers: role.h. */
#define ROLE_CONTROL	0
#define ROLE_SIGNING	1

byte kind[DESCRIPTORS], gate_of[DESCRIPTORS];
bool has_listener = true, has_zygote = true, ended;
byte pairs;

bool listener_lives = true, zygote_lives = true;
byte question;				/* of the listener: MSG_READY, 0: none */
byte questions;
chan zygote_says = [1] of { byte, byte };	/* type, gate */
byte keys;
byte made;				/* pairs that the zygote has made */
bool gate_lives[GATES + 1];
byte word[GATES + 1], asked[GATES + 1], signatures[GATES + 1];

bool ready[DESCRIPTORS];		/* said by epoll_wait, and not handled yet */

hidden byte fd, what, which, turn;

#define IS_READABLE(f) \
	((kind[f] == CONTROL && (question != 0 || !listener_lives)) || \
	 (kind[f] == SIGNING && (nempty(zygote_says) || !zygote_lives)) || \
	 (kind[f] == PAIR && (word[gate_of[f]] != 0 || !gate_lives[gate_of[f]])))
#define IS_BUSY		(ready[0] || ready[1] || ready[2] || ready[3])
#define SERVES		(has_zygote || pairs > 0)

inline close_fd(f) {
	kind[f] = CLOSED;
	gate_of[f] = 0
}

/* One question, one answer, and the pair is gone. Nothing to read is no fault: the number may be another's by now. */
inline answer_pair(f) {
	assert(kind[f] == PAIR);		/* holds: no descriptor is taken for another */
	if
	:: word[gate_of[f]] == 0 && gate_lives[gate_of[f]]
	:: else ->
		if
		:: word[gate_of[f]] == MSG_SIGN ->
			signatures[gate_of[f]]++;
			assert(signatures[gate_of[f]] <= 1)	/* holds: one signature for each handshake */
		:: else
		fi;
		word[gate_of[f]] = 0;
		close_fd(f);
		pairs--
	fi
}

inline take_pair(n) {
	fd = 0;
	do
	:: kind[fd] != CLOSED -> fd++
	:: else -> break
	od;
	kind[fd] = PAIR;
	gate_of[fd] = n;
	pairs++
}

inline handle_zygote() {
	if
	:: nempty(zygote_says) ->
		zygote_says?what, which;
		if
		:: what == MSG_PAIR -> take_pair(which)
		:: else				/* MSG_KEY is answered */
		fi
	:: empty(zygote_says) && !zygote_lives ->
		close_fd(ROLE_SIGNING);
		has_zygote = false
	:: empty(zygote_says) && zygote_lives
	fi
}

inline handle_listener() {
	if
	:: question == MSG_READY -> question = 0	/* answered by the same */
	:: question == 0 && !listener_lives ->
		close_fd(ROLE_CONTROL);
		has_listener = false
	:: else
	fi
}

/* One message at a time, or two: MESSAGES_MAX. */
inline drain_zygote() {
	for (turn : 1 .. 2) {
		if
		:: has_zygote -> handle_zygote()
		:: else
		fi
	}
	skip
}

inline dispatch_input(f) {
	if
	:: f == ROLE_CONTROL && has_listener -> handle_listener()
	:: f == ROLE_SIGNING
	:: else -> answer_pair(f)
	fi;
	drain_zygote()
}

proctype signer_serve() {
	byte f;

end:	do
	/* epoll_wait: all that can be read, in any order. */
	:: atomic { SERVES && !IS_BUSY && (IS_READABLE(0) || IS_READABLE(1) || IS_READABLE(2) || IS_READABLE(3)) ->
		for (f : 0 .. DESCRIPTORS - 1) {
			ready[f] = IS_READABLE(f)
		}
		f = 0 }
	:: atomic { ready[0] -> ready[0] = false; dispatch_input(0) }
	:: atomic { ready[1] -> ready[1] = false; dispatch_input(1) }
	:: atomic { ready[2] -> ready[2] = false; dispatch_input(2) }
	:: atomic { ready[3] -> ready[3] = false; dispatch_input(3) }
	:: atomic { !SERVES && !IS_BUSY && !ended -> ended = true }
	od
}

/* Makes a pair for each gate, and forks it. */
proctype zygote() {
end:	do
	:: atomic { zygote_lives && nfull(zygote_says) && made < GATES ->
		made++;
		gate_lives[made] = true;
		zygote_says!MSG_PAIR, made }
	:: atomic { zygote_lives && nfull(zygote_says) && keys < KEYS -> keys++; zygote_says!MSG_KEY, 0 }
	:: atomic { zygote_lives -> zygote_lives = false }
	od
}

/* Any message, again and again, also before the signer has the pair. */
proctype gate(byte n) {
end:	do
	:: atomic { gate_lives[n] && word[n] == 0 && asked[n] < QUESTIONS -> asked[n]++; word[n] = MSG_SIGN }
	:: atomic { gate_lives[n] && word[n] == 0 && asked[n] < QUESTIONS -> asked[n]++; word[n] = MSG_LOGIN }
	:: atomic { gate_lives[n] -> gate_lives[n] = false }
	od
}

proctype listener() {
end:	do
	:: atomic { listener_lives && question == 0 && questions < QUESTIONS -> questions++; question = MSG_READY }
	:: atomic { listener_lives -> listener_lives = false }
	od
}

proctype finish() {
	timeout -> assert(ended)	/* holds: a signer ends behind its zygote and its gates */
}

init {
	atomic {
		kind[ROLE_CONTROL] = CONTROL;
		kind[ROLE_SIGNING] = SIGNING;
		run signer_serve();
		run zygote();
		run gate(1);
		run gate(2);
		run listener();
		run finish()
	}
}

