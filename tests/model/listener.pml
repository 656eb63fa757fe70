/*
 * The listener and all that it starts: the life of a connection, from
 * accept(2) to the end of its last process. Inlines have the names of the C
 * functions that they stand for, in src/listener/ and src/monitor/.
 *
 * One step of the model is one turn of a process: what comes between two
 * waits. Gates and monitors may end between any two steps, and zygotes and the
 * listener too, as often as the settings below say. A gate is in the hands of
 * its client.
 *
 * No run goes on for ever, so what holds at the end of each run comes about
 * in any case.
 */

#include "code.h"
#include "settings.h"	/* of this run: the list is in tests/model/run */

#define MOST		3	/* connections in a run */
#define GENERATIONS	3	/* ROLES_GENERATIONS, which is the number of none */
#define GATES		GENERATIONS /* the gate zygote, beside those of monitors */
#define GATE_PID(n)	(n)	/* no two processes of a run have the same */
#define MONITOR_PID(n)	(MOST + n)
#define PIDS		(2 * MOST)

/* The kernel's view of a process. */
#define UNBORN		0
#define ALIVE		1
#define ZOMBIE		2	/* nobody has waited for it yet */
#define GONE		3

/* Where a monitor is: enum phase, and beyond. */
#define EXECUTED	(AFTER_LOGIN + 1)	/* the mailbox program has taken its place */
#define ENDING		(AFTER_LOGIN + 2)	/* it asks for nothing more */

/* A connection by its slot: struct place and struct connection, as far as they decide anything. */
typedef connection {
	byte state;		/* enum state */
	byte serial;		/* 1, 2 ... */
	byte gate, monitor;	/* enum child_state */
	byte gate_pid, monitor_pid; /* while they run */
	bool client, end_logged, compromised, peer_unknown, awaits_gate, launched, relayed;
	byte generation
}
connection c[SLOTS];

/* The pairs of a connection's processes, by its serial. */
typedef between {
	bool login;		/* the listener's end of the gate's pair is open */
	bool account;		/* and of the monitor's */
	byte word;		/* a message of the gate, 0: none */
	byte question;		/* a message of the monitor */
	byte answer;		/* the listener's answer */
	byte limit;		/* enum msg_limit, with it */
	bool report		/* of the signer: the gate wanted something else signed */
}
between pair[MOST + 1];

typedef process {
	byte life;
	byte words;		/* that it has said */
	byte phase;		/* of a monitor */
	byte waits;		/* of a monitor, for the answer to this message */
	byte transport		/* of a monitor, to its mailbox program */
}
process gate[MOST + 1], monitor[MOST + 1];

/* A zygote: struct process and struct generation of the listener, and the process itself. */
typedef zygote {
	bool control;		/* the listener's end of its pair is open */
	byte pending;		/* answers that it owes, by the listener's count */
	byte waiting;		/* connections of its generation */
	bool alive;
	byte child, slot	/* it has forked for this serial, and not said so yet */
}
zygote z[GENERATIONS + 1];	/* one for each generation's monitors, and GATES */
byte generations_current;
chan spawn[GENERATIONS + 1] = [CONNECTIONS] of { byte, byte, byte };	/* type, slot, serial */
chan spawned[GENERATIONS + 1] = [CONNECTIONS] of { byte, byte, byte, byte };	/* MSG_SPAWNED, slot, serial, pid; 0 is none */

bool early[PIDS + 1];		/* children that have ended before their zygote's answer came */
bool gone;			/* the listener is */
bool stopping, reexec_due;
byte accepted;
byte crashes = CRASHES, reloads = RELOADS, renewals = RENEWALS, shortages = SHORTAGES, stops = STOPS;
bool shortage;			/* the next call that can fail does */

/* For the properties. */
bool pam_yes[MOST + 1];	/* PAM has said yes in this connection's monitor */
bool counted[MOST + 1];	/* the listener has said yes */
bool sent_away[MOST + 1]; /* the listener has shut it down */
bool lost[MOST + 1];	/* its gate's zygote has ended without telling of it */

hidden byte i, j, k, slot, serial, id;
hidden byte is_gate, taken;

#define IS_SESSION(s)	(c[s].state == LOGGED_IN)
#define IS_ALIVE(child)	(child == CHILD_STARTING || child == CHILD_RUNNING)
#define IS_THERE(p)	(p.life == ALIVE || p.life == ZOMBIE)

/* roles.c */

#define ROLES_PENDING	(z[GATES].pending + z[0].pending + z[1].pending + z[2].pending)
#define ROLES_ARE_READY	(z[GATES].control && z[generations_current].control)

/* A zygote ends: what was sent to it is lost. */
inline end_zygote(g) {
	z[g].alive = false;
	do
	:: nempty(spawn[g]) -> spawn[g]?_, _, _
	:: empty(spawn[g]) -> break
	od;
	if
	:: g == GATES && z[g].child != 0 -> lost[z[g].child] = (gate[z[g].child].life == ALIVE)
	:: else
	fi;
	z[g].child = 0
}

/* Closes the pair of a zygote, which hears that and ends. */
inline close_zygote(g) {
	z[g].control = false;
	if
	:: z[g].alive -> end_zygote(g)
	:: else
	fi
}

inline process_start(g) {
	z[g].control = true;
	z[g].alive = true;
	z[g].pending = 0
}

inline end_generation_if_unused(g) {
	if
	:: g != generations_current && z[g].waiting == 0 && z[g].control ->
		close_zygote(g);
		z[g].pending = 0
	:: else
	fi
}

inline roles_acquire(s) {
	z[generations_current].waiting++;
	c[s].generation = generations_current
}

inline roles_release(s) {
	k = c[s].generation;
	c[s].generation = GENERATIONS;
	if
	:: k < GENERATIONS && z[k].waiting > 0 ->
		z[k].waiting--;
		end_generation_if_unused(k)
	:: else
	fi
}

/* lifecycle.c */

inline lifecycle_kill_gate(s) {
	if
	:: c[s].gate == CHILD_RUNNING ->
		assert(IS_THERE(gate[c[s].serial]));		/* holds: no process is killed by its number that was waited for */
		end_gate(c[s].serial)
	:: else
	fi
}

inline lifecycle_kill_monitor(s) {
	if
	:: c[s].monitor == CHILD_RUNNING ->
		assert(IS_THERE(monitor[c[s].serial])); /* the same */
		end_monitor(c[s].serial)
	:: else
	fi
}

inline end_gate(n) {
	if
	:: gate[n].life == ALIVE ->
		gate[n].life = (gone -> GONE : ZOMBIE);
		gate[n].words = 0;
		lost[n] = false
	:: else
	fi
}

inline end_monitor(n) {
	if
	:: monitor[n].life == ALIVE ->
		monitor[n].life = (gone -> GONE : ZOMBIE);
		monitor[n].waits = 0;
		monitor[n].phase = 0;
		monitor[n].words = 0;
		pair[n].limit = 0;
		pair[n].answer = 0
	:: else
	fi
}

inline connections_release(s) {
	assert(c[s].state != FREE);			/* holds: a place is released once */
	assert(gate[c[s].serial].life != ALIVE || lost[c[s].serial]); /* holds: a place is released behind the end of its processes */
	c[s].state = FREE;
	c[s].serial = 0;
	c[s].gate = CHILD_NONE;
	c[s].monitor = CHILD_NONE;
	c[s].gate_pid = 0;
	c[s].monitor_pid = 0;
	c[s].end_logged = false;
	c[s].compromised = false;
	c[s].peer_unknown = false;
	c[s].awaits_gate = false;
	c[s].launched = false;
	c[s].relayed = false
}

inline lifecycle_release_if_over(s) {
	if
	:: IS_ALIVE(c[s].gate) || IS_ALIVE(c[s].monitor) || c[s].state == FREE
	:: else ->
		c[s].client = false;
		pair[c[s].serial].login = false;
		pair[c[s].serial].account = false;
		pair[c[s].serial].word = 0;
		pair[c[s].serial].question = 0;
		pair[c[s].serial].answer = 0;
		pair[c[s].serial].limit = 0;
		pam_yes[c[s].serial] = false;
		counted[c[s].serial] = false;
		sent_away[c[s].serial] = false;
		monitor[c[s].serial].transport = 0;
		roles_release(s);
		connections_release(s)
	fi
}

inline lifecycle_kill_compromised_gate(s) {
	c[s].end_logged = true;
	c[s].compromised = true;
	lifecycle_kill_gate(s);
	pair[c[s].serial].login = false
}

inline lifecycle_kill_compromised_monitor(s) {
	c[s].end_logged = true;
	c[s].compromised = true;
	lifecycle_kill_monitor(s);
	pair[c[s].serial].account = false
}

/* spawn.c */

inline spawn_gate(s) {
	if
	:: z[GATES].control && z[GATES].alive && !shortage ->
		spawn[GATES]!MSG_SPAWN_GATE, s, c[s].serial;
		z[GATES].pending++;
		pair[c[s].serial].login = true;
		c[s].gate = CHILD_STARTING
	:: else ->
		shortage = false;
		lifecycle_release_if_over(s)
	fi
}

inline spawn_monitor(s, peer_first) {
	j = (c[s].generation < GENERATIONS -> c[s].generation : generations_current);
	if
	:: !peer_first ->
		c[s].client = false;
		pair[c[s].serial].login = false;
		pair[c[s].serial].word = 0
	:: else
	fi;
	if
	:: z[j].control && z[j].alive && !shortage ->
		spawn[j]!(peer_first -> MSG_SPAWN_PEER : MSG_SPAWN_MONITOR), s, c[s].serial;
		z[j].pending++;
		pair[c[s].serial].account = true;
		c[s].monitor = CHILD_STARTING
	:: else ->
		shortage = false;
		c[s].end_logged = true;
		lifecycle_release_if_over(s)
	fi
}

/* messages.c */

inline request_monitor(s) {
	if
	:: c[s].state == SHUT_DOWN ->
		c[s].end_logged = true;
		pair[c[s].serial].login = false
	:: c[s].state != SHUT_DOWN && c[s].end_logged ->
		lifecycle_kill_compromised_gate(s)
	:: else ->
		spawn_monitor(s, false)
	fi
}

/* Takes one message: MSG_LOG is the last line of a gate, MSG_PROXIED one of a gate without a proxy, MSG_LOGIN all that is for a monitor. */
inline messages_from_gate(s) {
	if
	:: !pair[c[s].serial].login
	:: pair[c[s].serial].login && pair[c[s].serial].word == MSG_LOGIN ->
		request_monitor(s)
	:: pair[c[s].serial].login && pair[c[s].serial].word == MSG_LOG ->
		pair[c[s].serial].word = 0;
		c[s].end_logged = true
	:: pair[c[s].serial].login && pair[c[s].serial].word == MSG_PROXIED ->
		pair[c[s].serial].word = 0;
		lifecycle_kill_compromised_gate(s)
	:: pair[c[s].serial].login && pair[c[s].serial].word == 0 ->
		pair[c[s].serial].login = false
	fi
}

inline answer_monitor(n, type, what) {
	if
	:: monitor[n].life == ALIVE ->
		pair[n].answer = type;
		pair[n].limit = what
	:: else
	fi
}

inline messages_answer_gate_end(s) {
	c[s].awaits_gate = IS_ALIVE(c[s].gate);
	if
	:: !c[s].awaits_gate -> answer_monitor(c[s].serial, MSG_GATE_END_ANSWER, LIMIT_NONE)
	:: else
	fi
}

inline handle_launched(s) {
	if
	:: !IS_SESSION(s) -> lifecycle_kill_compromised_monitor(s)
	:: else ->
		c[s].launched = true;
		c[s].relayed = (monitor[c[s].serial].transport == TRANSPORT_RELAY);
		pair[c[s].serial].account = false
	fi
}

/* A login has succeeded, and becomes a session if no limit is against it. */
inline connections_log_in(s) {
	if
	:: c[s].state != CONNECTED ->
		answer_monitor(c[s].serial, MSG_LOGGED_IN_ANSWER, LIMIT_SHUTDOWN)
	:: c[s].state == CONNECTED && shortage ->
		shortage = false;
		answer_monitor(c[s].serial, MSG_LOGGED_IN_ANSWER, LIMIT_MAX_SESSIONS)
	:: else ->
		c[s].state = LOGGED_IN;
		counted[c[s].serial] = true;
		answer_monitor(c[s].serial, MSG_LOGGED_IN_ANSWER, LIMIT_NONE)
	fi
}

inline handle_logged_in(s) {
	if
	:: IS_SESSION(s) -> lifecycle_kill_compromised_monitor(s)
	:: else -> connections_log_in(s)
	fi
}

inline handle_peer_unknown(s) {
	if
	:: c[s].gate != CHILD_NONE || !c[s].client -> lifecycle_kill_compromised_monitor(s)
	:: else -> c[s].peer_unknown = true
	fi
}

inline messages_from_monitor(s) {
	j = pair[c[s].serial].question;
	pair[c[s].serial].question = 0;
	if
	:: !pair[c[s].serial].account
	:: pair[c[s].serial].account && j == MSG_FAILED ->
		answer_monitor(c[s].serial, MSG_FAILED_ANSWER, LIMIT_NONE)
	:: pair[c[s].serial].account && j == MSG_LOGGED_IN -> handle_logged_in(s)
	:: pair[c[s].serial].account && j == MSG_GATE_END -> messages_answer_gate_end(s)
	:: pair[c[s].serial].account && j == MSG_LAUNCHED -> handle_launched(s)
	:: pair[c[s].serial].account && j == MSG_PEER_UNKNOWN -> handle_peer_unknown(s)
	:: pair[c[s].serial].account && j == 0 -> pair[c[s].serial].account = false
	fi
}

/* serve.c */

inline reap_gate(s) {
	if
	:: pair[c[s].serial].word != 0 -> messages_from_gate(s)
	:: else
	fi;
	if
	:: c[s].state != FREE && c[s].monitor == CHILD_NONE -> pair[c[s].serial].login = false
	:: else
	fi;
	if
	:: c[s].awaits_gate && pair[c[s].serial].account -> messages_answer_gate_end(s)
	:: else
	fi;
	lifecycle_release_if_over(s)
}

inline connections_end_session(s) {
	c[s].state = LEAVING
}

inline reap_monitor(s) {
	if
	:: pair[c[s].serial].question != 0 -> messages_from_monitor(s)
	:: else
	fi;
	pair[c[s].serial].account = false;
	if
	:: c[s].peer_unknown && !c[s].compromised ->
		c[s].peer_unknown = false;
		c[s].monitor = CHILD_NONE;
		roles_acquire(s);
		spawn_gate(s)
	:: else ->
		if
		:: !c[s].launched || !c[s].relayed -> lifecycle_kill_gate(s)
		:: else
		fi;
		connections_end_session(s);
		lifecycle_release_if_over(s)
	fi
}

/* Finds whose child this is: fills slot and is_gate. SLOTS is nobody's. */
inline connections_set_ended(p) {
	slot = SLOTS;
	for (i : 0 .. SLOTS - 1) {
		if
		:: slot == SLOTS && (c[i].gate_pid == p || c[i].monitor_pid == p) ->
			slot = i;
			is_gate = (c[i].gate_pid == p)
		:: else
		fi
	}
	if
	:: slot < SLOTS && is_gate ->
		c[slot].gate_pid = 0;
		c[slot].gate = CHILD_ENDED
	:: slot < SLOTS && !is_gate ->
		c[slot].monitor_pid = 0;
		c[slot].monitor = CHILD_ENDED
	:: else
	fi
}

inline reap_child() {
	if
	:: is_gate -> reap_gate(slot)
	:: else -> reap_monitor(slot)
	fi
}

inline serve_ended(p) {
	connections_set_ended(p);
	if
	:: slot < SLOTS -> reap_child()
	:: else -> early[p] = early[p] || ROLES_PENDING > 0
	fi
}

inline connections_shut_down(s) {
	if
	:: c[s].state == CONNECTED -> c[s].state = SHUT_DOWN
	:: else
	fi
}

inline shut_down(s) {
	connections_shut_down(s);
	if
	:: IS_SESSION(s)
	:: else ->
		sent_away[c[s].serial] = true;
		assert(c[s].monitor != CHILD_RUNNING || monitor[c[s].serial].phase != EXECUTED)	/* holds: SIGTERM is for no mailbox program */
	fi
}

/* Fills taken: has this process ended already? Then that was noted, or waitid(2) does not know the process. */
inline find_early(p) {
	taken = early[p] || (p <= MOST -> !IS_THERE(gate[p]) : !IS_THERE(monitor[p - MOST]));
	early[p] = false
}

inline connections_set_pid(s, p) {
	if
	:: is_gate ->
		c[s].gate_pid = p;
		c[s].gate = CHILD_RUNNING
	:: else ->
		c[s].monitor_pid = p;
		c[s].monitor = CHILD_RUNNING
	fi
}

inline adopt_child(s, p) {
	connections_set_pid(s, p);
	find_early(p);
	if
	:: taken ->
		connections_set_ended(p);
		reap_child()
	:: !taken && c[s].compromised && is_gate -> lifecycle_kill_gate(s)
	:: !taken && c[s].compromised && !is_gate -> lifecycle_kill_monitor(s)
	:: !taken && !c[s].compromised && c[s].state == SHUT_DOWN -> shut_down(s)
	:: else
	fi
}

inline fail_child(s) {
	if
	:: is_gate -> c[s].gate = CHILD_NONE
	:: else ->
		c[s].monitor = CHILD_NONE;
		c[s].end_logged = true
	fi;
	pair[c[s].serial].account = false;
	lifecycle_release_if_over(s)
}

/* Any other answer would be a violation, and the end of a zygote. */
#define IS_DUE(s, n)	(c[s].state != FREE && c[s].serial == n && (is_gate -> c[s].gate : c[s].monitor) == CHILD_STARTING)

inline serve_spawned(s, n, p) {
	assert(IS_DUE(s, n));			/* holds: no answer of a zygote of ours is taken for a violation */
	if
	:: !is_gate -> roles_release(s)
	:: else
	fi;
	if
	:: p > 0 -> adopt_child(s, p)
	:: else -> fail_child(s)
	fi;
	forget_early()
}

/* Ends for which no answer is outstanding are those of others. */
inline forget_early() {
	for (i : 1 .. PIDS) {
		early[i] = early[i] && ROLES_PENDING > 0
	}
	skip
}

/* The listener sees the end of a zygote, behind all that it had to say: close_process. */
inline serve_zygote_ended(g) {
	for (j : 0 .. SLOTS - 1) {
		if
		:: c[j].state != FREE && (is_gate -> c[j].gate : c[j].monitor) == CHILD_STARTING && (is_gate || c[j].generation == g) ->
			fail_child(j)
		:: else
		fi
	}
	forget_early()
}

inline kill_late_zygotes(s) {
	if
	:: c[s].gate == CHILD_STARTING && z[GATES].pending > 0 && z[GATES].alive -> end_zygote(GATES)
	:: else
	fi;
	j = (c[s].generation < GENERATIONS -> c[s].generation : generations_current);
	if
	:: c[s].monitor == CHILD_STARTING && z[j].pending > 0 && z[j].alive -> end_zygote(j)
	:: else
	fi
}

#define IS_LATE(s)	(c[s].state != FREE && !IS_SESSION(s))
/* Is there anything to be ended? */
#define IS_HELD_UP(s)	((c[s].gate == CHILD_RUNNING && gate[c[s].serial].life == ALIVE) || \
			 (c[s].monitor == CHILD_RUNNING && monitor[c[s].serial].life == ALIVE) || \
			 (c[s].gate == CHILD_STARTING && z[GATES].pending > 0 && z[GATES].alive) || \
			 (c[s].monitor == CHILD_STARTING && \
			  z[(c[s].generation < GENERATIONS -> c[s].generation : generations_current)].pending > 0 && \
			  z[(c[s].generation < GENERATIONS -> c[s].generation : generations_current)].alive))

/* reload: generations.c, listener.c */

/* The first one that is not in use; used is how many of them are waited for. */
inline reexec() {
	for (i : 0 .. GENERATIONS - 1) {
		if
		:: z[i].control && z[i].waiting > 0
		:: else ->
			close_zygote(i);
			z[i].waiting = 0;
			z[i].pending = 0;
			do
			:: nempty(spawned[i]) -> spawned[i]?_, _, _, _
			:: empty(spawned[i]) -> break
			od
		fi
	}
	generations_current = 0;
	do
	:: generations_current < GENERATIONS - 1 && z[generations_current].control -> generations_current++
	:: else -> break
	od;
	close_zygote(GATES);
	process_start(GATES);
	process_start(generations_current);
	z[generations_current].waiting = 0;
	for (i : 1 .. PIDS) {
		early[i] = false
	}
	serve_resume()
}

inline serve_resume() {
	for (i : 0 .. SLOTS - 1) {
		if
		:: c[i].state == FREE || c[i].generation == GENERATIONS
		:: else ->
			if
			:: c[i].generation == generations_current || !z[c[i].generation].control -> roles_acquire(i)
			:: else
			fi
		fi
	}
	skip
}

inline roles_has_room(n) {
	n = 0;
	for (i : 0 .. GENERATIONS - 1) {
		n = n + (z[i].waiting > 0 -> 1 : 0)
	}
}

/* All that there is at the end: no connection, and no process of one. */
#define NOBODY_OF(n)	(!IS_THERE(gate[n]) && !IS_THERE(monitor[n]))
#define NO_PLACE	(c[0].state == FREE && c[SLOTS - 1].state == FREE)
#define NO_ZYGOTE	(!z[GATES].alive && !z[0].alive && !z[1].alive && !z[2].alive)
#define NO_MORE		(stopping || accepted == CONNECTIONS)
#define over		(NOBODY_OF(1) && NOBODY_OF(2) && NOBODY_OF(3) && ((gone && NO_ZYGOTE) || (!gone && NO_PLACE && NO_MORE)))

/* Before the first connection and behind the last one nothing can be lost. */
#define MAY_FAIL	(accepted > 0 && !gone && !over)

/* The listener itself ends, and all that it has open is closed. */
inline listener_ends() {
	gone = true;
	for (i : 1 .. MOST) {
		pair[i].login = false;
		pair[i].account = false;
		pair[i].report = false;
		gate[i].life = (gate[i].life == ZOMBIE -> GONE : gate[i].life);
		monitor[i].life = (monitor[i].life == ZOMBIE -> GONE : monitor[i].life)
	}
	skip
}

/* The listener's turns about one connection. */
proctype serve(byte s) {
end:	do
	:: d_step { !gone && c[s].state != FREE && c[s].gate != CHILD_STARTING && pair[c[s].serial].login &&
	    (pair[c[s].serial].word != 0 || gate[c[s].serial].life >= ZOMBIE) -> messages_from_gate(s) }
	:: d_step { !gone && c[s].state != FREE && c[s].monitor != CHILD_STARTING && pair[c[s].serial].account &&
	    (pair[c[s].serial].question != 0 || monitor[c[s].serial].life >= ZOMBIE) -> messages_from_monitor(s) }
	/* serve_check_deadlines: a deadline may pass at any time. */
	:: d_step { !gone && IS_LATE(s) && IS_HELD_UP(s) ->
		c[s].end_logged = true;
		lifecycle_kill_gate(s);
		lifecycle_kill_monitor(s);
		kill_late_zygotes(s) }
	od
}

/* Fills slot with the first one that is free. */
inline connections_reserve() {
	slot = 0;
	do
	:: c[slot].state != FREE -> slot++
	:: else -> break
	od;
	accepted++;
	c[slot].state = CONNECTED;
	c[slot].serial = accepted;
	c[slot].client = true;
	roles_acquire(slot)
}

#define HAS_FREE	(c[0].state == FREE || c[SLOTS - 1].state == FREE)
#define MAY_ACCEPT	(!gone && !stopping && !reexec_due && accepted < CONNECTIONS && HAS_FREE && ROLES_ARE_READY)

/* The listener's turns about all connections. */
proctype listener() {
end:	do
	:: d_step { MAY_ACCEPT -> connections_reserve(); spawn_gate(slot) }
	:: d_step { PREAUTH && MAY_ACCEPT -> connections_reserve(); spawn_monitor(slot, true) }
	/* restart_missing */
	:: d_step { !gone && !z[GATES].control -> process_start(GATES) }
	:: d_step { !gone && !z[generations_current].control -> process_start(generations_current) }
	/* install_renewal_if_ready: other certificates. */
	:: d_step { MAY_FAIL && renewals > 0 && z[GATES].control && z[GATES].pending == 0 ->
		renewals--;
		close_zygote(GATES);
		process_start(GATES) }
	/* A reload, and the end of the service. */
	:: d_step { MAY_FAIL && !stopping && !reexec_due && reloads > 0 ->
		reloads--;
		roles_has_room(j);
		reexec_due = (j < GENERATIONS - 1) }
	:: d_step { !gone && reexec_due && ROLES_PENDING == 0 -> reexec_due = false; reexec() }
	:: d_step { MAY_FAIL && !stopping && stops > 0 ->
		stops--;
		stopping = true;
		reexec_due = false;
		for (i : 0 .. SLOTS - 1) {
			if
			:: c[i].state != FREE -> shut_down(i)
			:: else
			fi
		}
		skip }
	/* After the time for farewells, or by a crash. */
	:: d_step { MAY_FAIL && (LISTENER_ENDS == 2 || (LISTENER_ENDS == 1 && stopping)) -> listener_ends() }
	od
}

/* The listener's turns about one zygote. */
proctype roles_receive(byte g) {
end:	do
	:: d_step { !gone && nempty(spawned[g]) ->
		spawned[g]?_, slot, serial, id;
		is_gate = (g == GATES);
		assert(z[g].pending > 0);	/* the same */
		z[g].pending--;
		serve_spawned(slot, serial, id) }
	:: d_step { !gone && z[g].control && !z[g].alive && empty(spawned[g]) ->
		z[g].control = false;
		is_gate = (g == GATES);
		if
		:: z[g].pending > 0 ->
			z[g].pending = 0;
			serve_zygote_ended(g)
		:: else
		fi }
	od
}

/* The listener's turns about one connection's children and signatures, by its serial. */
proctype listener_children(byte n) {
end:	do
	:: d_step { !gone && (gate[n].life == ZOMBIE || monitor[n].life == ZOMBIE) ->
		if
		:: gate[n].life == ZOMBIE ->
			gate[n].life = GONE;
			id = GATE_PID(n)
		:: else ->
			monitor[n].life = GONE;
			id = MONITOR_PID(n)
		fi;
		serve_ended(id) }
	/* serve_log_message: the report may be about a connection that is gone. */
	:: d_step { !gone && pair[n].report ->
		pair[n].report = false;
		for (i : 0 .. SLOTS - 1) {
			if
			:: c[i].state != FREE && c[i].serial == n -> lifecycle_kill_compromised_gate(i)
			:: else
			fi
		}
		skip }
	od
}

/* A zygote forks, and says so; between the two it may end. */
proctype run_zygote(byte g) {
end:	do
	:: d_step { z[g].alive && z[g].child == 0 && nempty(spawn[g]) ->
		spawn[g]?_, slot, serial;
		if
		:: shortage ->
			shortage = false;
			spawned[g]!MSG_SPAWNED, slot, serial, 0
		:: !shortage && g == GATES ->
			gate[serial].life = ALIVE;
			z[g].slot = slot;
			z[g].child = serial
		:: else ->
			monitor[serial].life = ALIVE;
			monitor[serial].phase = BEFORE_LOGIN;
			z[g].slot = slot;
			z[g].child = serial
		fi }
	:: d_step { z[g].alive && z[g].child != 0 ->
		spawned[g]!MSG_SPAWNED, z[g].slot, z[g].child, (g == GATES -> GATE_PID(z[g].child) : MONITOR_PID(z[g].child));
		z[g].child = 0 }
	:: d_step { MAY_FAIL && z[g].alive && crashes > 0 ->
		crashes--;
		end_zygote(g) }
	:: d_step { gone && z[g].alive -> end_zygote(g) }
	od
}

/* A gate says what it likes, asks the signer for what it likes, and ends when it likes. */
#define MAY_SAY(n)	(gate[n].life == ALIVE && pair[n].login && pair[n].word == 0 && gate[n].words < WORDS)

proctype run_gate(byte n) {
end:	do
	:: d_step { MAY_SAY(n) -> gate[n].words++; pair[n].word = MSG_LOGIN }
	:: d_step { MAY_SAY(n) -> gate[n].words++; pair[n].word = MSG_LOG }
	:: d_step { MAY_SAY(n) -> gate[n].words++; pair[n].word = MSG_PROXIED }
	:: d_step { REPORTS && gate[n].life == ALIVE && !gone && !pair[n].report && gate[n].words < WORDS ->
		gate[n].words++;
		pair[n].report = true }
	/* Behind its end the kernel's timer ends one of which nobody knows (bounds.c). */
	:: d_step { gate[n].life == ALIVE && (!STUBBORN || gone || lost[n]) -> end_gate(n) }
	od
}

inline ask(n, type) {
	monitor[n].waits = type;
	if
	:: pair[n].account -> pair[n].question = type
	:: else
	fi
}

inline launch_exec(n) {
	assert(pam_yes[n]);		/* holds: no mailbox program without PAM's yes */
	assert(counted[n]);		/* holds: no mailbox program without the listener's yes */
	assert(!sent_away[n]);		/* holds: no mailbox program for a client that was sent away */
	assert(gate[n].life != ALIVE || monitor[n].transport == TRANSPORT_RELAY || gone); /* holds: no mailbox program beside a gate, but for a relay */
	monitor[n].phase = EXECUTED;
	monitor[n].waits = 0;
	if
	:: pair[n].account -> pair[n].question = MSG_LAUNCHED
	:: else
	fi
}

/* The answer, or in its place the end of the pair. */
inline hear(n) {
	if
	:: monitor[n].waits == MSG_LOGGED_IN ->
		monitor[n].phase = (pair[n].answer == MSG_LOGGED_IN_ANSWER && pair[n].limit == LIMIT_NONE -> AFTER_LOGIN : ENDING);
		monitor[n].waits = 0
	:: monitor[n].waits == MSG_GATE_END -> launch_exec(n)
	:: else -> monitor[n].waits = 0
	fi;
	pair[n].answer = 0;
	pair[n].limit = 0
}

#define IS_FREE_TO(n, what)	(monitor[n].life == ALIVE && monitor[n].waits == 0 && monitor[n].phase == what)

proctype run_monitor(byte n) {
end:	do
	/* PAM says no, or yes. */
	:: d_step { IS_FREE_TO(n, BEFORE_LOGIN) && monitor[n].words < 1 -> monitor[n].words++; ask(n, MSG_FAILED) }
	:: d_step { IS_FREE_TO(n, BEFORE_LOGIN) -> pam_yes[n] = true; ask(n, MSG_LOGGED_IN) }
	/* --preauth peer, and no user of this service. */
	:: d_step { IS_FREE_TO(n, BEFORE_LOGIN) && gate[n].life == UNBORN ->
		monitor[n].phase = ENDING;
		if
		:: pair[n].account -> pair[n].question = MSG_PEER_UNKNOWN
		:: else
		fi }
	:: d_step { IS_FREE_TO(n, AFTER_LOGIN) && gate[n].life != UNBORN -> monitor[n].transport = TRANSPORT_RELAY; launch_exec(n) }
	:: d_step { IS_FREE_TO(n, AFTER_LOGIN) ->
		monitor[n].transport = TRANSPORT_SOCKET;
		if
		:: gate[n].life == UNBORN -> launch_exec(n)
		:: else -> ask(n, MSG_GATE_END)
		fi }
	:: d_step { monitor[n].life == ALIVE && monitor[n].waits != 0 && pair[n].answer != 0 -> hear(n) }
	:: d_step { monitor[n].life == ALIVE && monitor[n].waits != 0 && pair[n].answer == 0 && !pair[n].account -> pair[n].question = 0; hear(n) }
	:: d_step { monitor[n].life == ALIVE -> end_monitor(n) }
	od
}

/* Something is lacking for the next call. */
proctype system() {
end:	do
	:: d_step { shortages > 0 && !shortage && !over && !gone -> shortages--; shortage = true }
	od
}

#define IS_OF(s, n)		(c[s].state != FREE && c[s].serial == n)
#define IS_COUNTED(n)		((IS_OF(0, n) && IS_SESSION(0)) || (IS_OF(SLOTS - 1, n) && IS_SESSION(SLOTS - 1)))
#define IS_UNCOUNTED(n)		(monitor[n].life == ALIVE && monitor[n].phase == EXECUTED && !IS_COUNTED(n))
#define WAITS(s, g)		(c[s].state != FREE && c[s].generation == g -> 1 : 0)
#define BOTH(what)		(what(0) + (SLOTS > 1 -> what(SLOTS - 1) : 0))
#define ASKED_GATE(s)		(c[s].state != FREE && c[s].gate == CHILD_STARTING -> 1 : 0)
#define ASKED_MONITOR(s)	(c[s].state != FREE && c[s].monitor == CHILD_STARTING -> 1 : 0)
#define HAS_EARLY		(early[1] || early[2] || early[3] || early[4] || early[5] || early[6])
#define WAITING(g)		(WAITS(0, g) + (SLOTS > 1 -> WAITS(SLOTS - 1, g) : 0))

/* Properties of each state, as long as there is a listener. */
proctype always() {
end:	do
	:: d_step { !gone && (IS_UNCOUNTED(1) || IS_UNCOUNTED(2) || IS_UNCOUNTED(3)) -> assert(false) } /* holds: each mailbox program is counted as a session */
	:: d_step { !gone && ROLES_PENDING == 0 && HAS_EARLY -> assert(false) } /* holds: no end is remembered for an answer that does not come */
	:: d_step { !gone && z[GATES].pending != BOTH(ASKED_GATE) -> assert(false) } /* holds: the gate zygote owes one answer for each gate that is awaited */
	:: d_step { !gone && z[0].pending + z[1].pending + z[2].pending != BOTH(ASKED_MONITOR) -> assert(false) } /* holds: monitor zygotes owe one answer for each monitor that is awaited */
	:: d_step { !gone && (z[0].waiting != WAITING(0) || z[1].waiting != WAITING(1) || z[2].waiting != WAITING(2)) ->
		assert(false) } /* holds: a generation of settings counts the connections that it is for */
	od
}

/* Where nothing more can happen. */
proctype finish() {
	timeout -> assert(over)		/* holds: each connection comes to its end, and each of its processes */
}

init {
	d_step {
		process_start(GATES);
		process_start(0)
	}
	atomic {
		run listener();
		run system();
		run always();
		run finish();
		for (i : 0 .. SLOTS - 1) {
			run serve(i)
		}
		for (i : 0 .. GENERATIONS) {
			run roles_receive(i);
			run run_zygote(i)
		}
		for (i : 1 .. CONNECTIONS) {
			run listener_children(i);
			run run_gate(i);
			run run_monitor(i)
		}
	}
}

ltl ends { <> over }	/* holds: nothing goes on for ever before that */
