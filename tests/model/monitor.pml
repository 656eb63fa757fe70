/*
 * One monitor and its gate, which is in the hands of its client: what the gate
 * may ask, when and how often (src/monitor/monitor.c), from the first message
 * to the mailbox program. Inlines have the names of the C functions.
 *
 * Under a listener the listener counts and signs; with a superserver the
 * monitor signs. Each run takes one of the two.
 */

#include "code.h"

#define OPTIONS_CERTS_MAX	1
#define GATE_LOGS_MAX	2
#define MAX_ATTEMPTS	2	/* --max-attempts */
#define OTHER_LOGINS_MAX	2

/* --ktls */
#define OFF		0
#define PREFER		1
#define REQUIRE		2

/* Of this run. */
bool has_listener, from_proxy;

/* The gate, and the message that it has sent. */
bool gate_lives = true;
chan gate_says = [1] of { byte };

bool listener_lives;
bool killed;			/* the timer, or whatever ends a process */
bool ended, executed;

/* struct monitor */
byte phase = BEFORE_LOGIN;
byte received_by_type[MSG_TYPES];
byte guesses, other_logins;
bool last, proxied, changed, refused_known;

byte outcome;
bool guess;
byte transport, ktls;		/* of the handoff */
bool cleartext, offers_ucspi_tls;
byte signatures;
bool pam_yes;			/* to the login that was decided last */
bool counted;			/* the listener's yes */

#define IS_OVER		(guesses >= MAX_ATTEMPTS || other_logins >= OTHER_LOGINS_MAX)

inline bug() {
	/* kill_gate: under a listener the listener does it. */
	gate_lives = gate_lives && has_listener;
	goto exit
}

inline watchdog_wait_for_gate() {
	(!gate_lives || (has_listener && !listener_lives))
}

/* The conditions besides PAM's yes. */
inline authorize_account() {
	if
	:: outcome = OUTCOME_AUTHORIZATIONFAILED;
		guess = true
	:: outcome = OUTCOME_UNAVAILABLE
	:: changed = true;
		outcome = OUTCOME_UNAVAILABLE
	:: changed = true;
		if
		:: !has_listener -> outcome = OUTCOME_OK
		:: has_listener && listener_lives ->
			counted = true;		/* LIMIT_NONE */
			outcome = OUTCOME_OK
		:: has_listener && listener_lives -> outcome = OUTCOME_LIMIT
		:: has_listener -> outcome = OUTCOME_UNAVAILABLE	/* LIMIT_SHUTDOWN, or the listener is gone */
		fi
	fi
}

inline decide_login() {
	if
	:: last = true;			/* the delay of one more failure does not fit before the deadline */
		outcome = OUTCOME_UNAVAILABLE
	:: refused_known -> outcome = OUTCOME_AUTHENTICATIONFAILED;
		guess = true
	:: outcome = OUTCOME_AUTHENTICATIONFAILED;
		refused_known = true;
		guess = true
	:: outcome = OUTCOME_UNAVAILABLE;
		refused_known = false
	:: pam_yes = true;
		refused_known = false;
		authorize_account();
		last = last || (outcome != OUTCOME_OK && changed)
	fi
}

inline answer_login() {
	if
	:: last || IS_OVER -> bug()
	:: else
	fi;
	if
	:: from_proxy && !proxied && !has_listener -> bug()
	:: else
	fi;
	assert(!last && !IS_OVER);		/* holds: no login is decided behind the last one */
	assert(!changed);			/* holds: no login is decided in a process that was changed for another user */
	assert(phase == BEFORE_LOGIN);		/* holds: no login is decided behind one that has succeeded */
	pam_yes = false;
	counted = false;
	guess = false;
	decide_login();
	guesses = guesses + guess;
	other_logins = other_logins + !guess;
	if
	:: outcome == OUTCOME_OK -> phase = AFTER_LOGIN
	:: else
	fi;
	guess = false;
	outcome = 0
}

inline answer_key() {
	if
	:: has_listener -> bug()
	:: else
	fi
}

inline answer_sign() {
	if
	:: has_listener -> bug()
	:: else
	fi;
	if
	:: bug()				/* what is no part of a TLS handshake */
	:: signatures++
	fi;
	assert(signatures <= 1);		/* holds: one signature for each handshake */
	assert(!has_listener)			/* holds: under a listener a monitor signs nothing */
}

inline check_transport() {
	if
	:: (transport == TRANSPORT_SOCKET) != cleartext -> bug()
	:: transport == TRANSPORT_UCSPI_TLS && !offers_ucspi_tls -> bug()
	:: transport == TRANSPORT_KTLS && ktls == OFF -> bug()
	:: transport == TRANSPORT_RELAY && ktls == REQUIRE -> bug()
	:: else
	fi
}

inline launch_exec() {
	assert(pam_yes);			/* holds: no mailbox program without PAM's yes */
	assert(counted || !has_listener);	/* holds: no mailbox program without the listener's yes */
	assert(!gate_lives || transport == TRANSPORT_RELAY || (has_listener && !listener_lives)); /* holds: no mailbox program beside a gate, but for a relay */
	assert(ktls != REQUIRE || transport != TRANSPORT_RELAY);	/* holds: no mailbox program by a way that --ktls rules out */
	executed = true
}

inline answer_launch() {
	if
	:: transport = TRANSPORT_SOCKET
	:: transport = TRANSPORT_KTLS
	:: transport = TRANSPORT_RELAY
	:: transport = TRANSPORT_UCSPI_TLS
	fi;
	select(ktls : OFF .. REQUIRE);
	if
	:: cleartext = true
	:: cleartext = false
	fi;
	if
	:: offers_ucspi_tls = true
	:: offers_ucspi_tls = false
	fi;
	check_transport();
	if
	:: transport != TRANSPORT_RELAY -> watchdog_wait_for_gate()
	:: else
	fi;
	launch_exec();
	goto exit
}

/* The line may go on with the connection, end it, or be none that a gate writes. */
inline answer_log() {
	if
	:: true
	:: true -> watchdog_wait_for_gate(); goto exit
	:: true -> bug()
	fi
}

inline answer_proxied() {
	if
	:: has_listener || !from_proxy -> bug()
	:: else -> proxied = true
	fi
}

/* A row of the table requests in monitor.c. */
#define REQUEST(type, phases, max, answer) \
	:: what == type -> \
		if \
		:: (phase & (phases)) == 0 -> bug() \
		:: (phase & (phases)) != 0 && max > 0 && received_by_type[type] == max -> bug() \
		:: else \
		fi; \
		received_by_type[type] = (max > 0 -> received_by_type[type] + 1 : 0); \
		answer()

proctype monitor_run() {
	byte what;

	{
		phase = BEFORE_LOGIN;
		do
		:: atomic { gate_says?what ->
			if
			REQUEST(MSG_LOGIN, BEFORE_LOGIN, 0, answer_login)
			REQUEST(MSG_KEY, BEFORE_LOGIN, OPTIONS_CERTS_MAX, answer_key)
			REQUEST(MSG_SIGN, BEFORE_LOGIN, 1, answer_sign)
			REQUEST(MSG_LAUNCH, AFTER_LOGIN, 1, answer_launch)
			REQUEST(MSG_LOG, BEFORE_LOGIN | AFTER_LOGIN, GATE_LOGS_MAX, answer_log)
			REQUEST(MSG_PROXIED, BEFORE_LOGIN, 1, answer_proxied)
			:: else -> bug()
			fi;
			what = 0 }
		:: !gate_lives && empty(gate_says) -> break
		od
	} unless { killed };
exit:	skip;
	d_step {
		ended = true;
		guesses = 0;
		other_logins = 0;
		received_by_type[MSG_KEY] = 0;
		received_by_type[MSG_SIGN] = 0;
		received_by_type[MSG_LAUNCH] = 0;
		received_by_type[MSG_LOG] = 0;
		received_by_type[MSG_PROXIED] = 0;
		last = false;
		changed = false;
		refused_known = false;
		what = 0
	}
}

/* Any message at any time. */
proctype gate() {
end:	do
	:: atomic { gate_lives && !ended && nfull(gate_says) ->
		if
		:: gate_says!MSG_LOGIN
		:: gate_says!MSG_KEY
		:: gate_says!MSG_SIGN
		:: gate_says!MSG_LAUNCH
		:: gate_says!MSG_LOG
		:: gate_says!MSG_PROXIED
		:: gate_says!MSG_LOGGED_IN	/* stands for all others */
		fi }
	:: gate_lives -> gate_lives = false
	od
}

/* The deadline, and the end of the service. */
proctype others() {
end:	do
	:: atomic { !killed && !ended -> killed = true }
	:: atomic { listener_lives -> listener_lives = false }
	od
}

proctype finish() {
	timeout -> assert(ended)		/* holds: each monitor ends, or becomes the mailbox program */
}

init {
	byte logs;

	atomic {
		if
		:: has_listener = true;
			listener_lives = true;
			select(logs : 0 .. GATE_LOGS_MAX);	/* lines before there was a monitor */
			received_by_type[MSG_LOG] = logs
		:: has_listener = false
		fi;
		if
		:: from_proxy = true
		:: from_proxy = false
		fi;
		run monitor_run();
		run gate();
		run others();
		run finish()
	}
}

ltl ends { <> ended }	/* holds: no gate keeps its monitor busy for ever */
