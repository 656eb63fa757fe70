/*
 * The monitor, see monitor.h. Runs as root.
 *
 * The table of requests below is all that a gate can have done: what it may
 * ask, when, and how often. A gate that asks for anything else has been taken
 * over, and is not argued with. Counting attempts and slowing them down is
 * done here for the same reason.
 */

#include "monitor/monitor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "monitor/pamauth.h"
#include "monitor/sign.h"
#include "msg.h"
#include "proto/command.h"
#include "proto/sasl.h"

/* The gate tells the client of the deadline and waits for its last words to be read; behind that this process ends by itself. */
#define GRACE_MS	3000

/* Logins that end in UNAVAILABLE or EXPIRED are no guesses, but they are not free either. */
#define UNCOUNTED_MAX	10

/* What the gate may have logged of one connection. */
#define LOGS_MAX	8

enum phase {
	ASKING = 1,		/* nobody is logged in */
	ACCEPTED = 2,		/* PAM has said yes, and the gate has heard it */
};

struct monitor {
	const struct monitor_start	*start;
	enum phase			 phase;
	unsigned			 asked[MSG_LOG + 1];	/* how often, by type */
	unsigned			 attempts;		/* that were guesses */
	unsigned			 uncounted;		/* that were not */
	struct sign_keys		 keys;
	struct pamauth			 pam;
	struct account			 account;
	enum msg_mechanism		 mechanism;		/* of the login that was accepted */
	struct msg			 request, reply;
};

/* The line for the case that the deadline finds this process unable to go on, made ready before. */
static struct log_line late;
static pid_t gate_pid;

/* SIGRTMIN: the deadline, and somebody hangs: a PAM module, or a gate that was taken over. */
static void
on_deadline(int sig)
{
	(void)sig;
	log_write(&late);
	kill(gate_pid, SIGKILL);
	_exit(EX_TEMPFAIL);
}

/* A timer of its own, with a signal of its own: PAM modules may use alarm(2). */
static timer_t
start_timer(int64_t deadline)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct sigaction action = { .sa_handler = on_deadline };
	int64_t at = deadline + GRACE_MS;
	struct itimerspec when = { .it_value = { at / 1000, at % 1000 * 1000000 } };
	timer_t timer;

	if (sigaction(SIGRTMIN, &action, NULL) == -1 || timer_create(CLOCK_MONOTONIC, &event, &timer) == -1 ||
	    timer_settime(timer, TIMER_ABSTIME, &when, NULL) == -1)
		die("timer");
	return timer;
}

static void
prepare_late_line(const char *event, const char *reason, const char *user)
{
	struct log_line l;

	log_begin(&l, LOG_ERR, event);
	log_field(&l, "reason", "%s", reason);
	if (user != NULL)
		log_quoted(&l, "user", user, strlen(user));
	late = l;
}

static int
wait_for_gate(const struct monitor *m)
{
	int status;

	/* It was born without an exit signal (connection.c), hence __WALL. */
	while (waitpid(m->start->gate, &status, __WALL) == -1)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static void __attribute__((noreturn))
leave(struct monitor *m, int status)
{
	pamauth_close(&m->pam);
	sign_forget(&m->keys);
	_exit(status);
}

static void
send_reply(struct monitor *m)
{
	/* A gate that has gone meanwhile is found out by the next msg_recv. */
	msg_send(m->start->gate_fd, &m->reply);
	explicit_bzero(&m->reply, sizeof(m->reply));
}

/* Logging in. */

static const char *
mechanism_name(enum msg_mechanism mechanism)
{
	switch (mechanism) {
	case MECH_LOGIN_COMMAND:
		return "LOGIN-command";
	case MECH_PLAIN:
		return "PLAIN";
	case MECH_LOGIN:
		return "LOGIN";
	}
	bug("unknown mechanism %d", (int)mechanism);
}

static struct pamauth_verdict
refuse(enum msg_outcome outcome, const char *reason)
{
	return (struct pamauth_verdict){ outcome, reason };
}

/* What PAM does not have to be asked for. The gate's own checks do not count. */
static const char *
malformed(const struct msg_login *login)
{
	if (login->authcid[0] == '\0' || login->secret[0] == '\0')
		return "malformed";
	if (!sasl_is_name(login->authcid) || (login->authzid[0] != '\0' && !sasl_is_name(login->authzid)))
		return "name";
	return sasl_is_text(login->secret) ? NULL : "secret";
}

/* PAM has said yes. What else has to be so, before the client may hear it. */
static struct pamauth_verdict
admit(struct monitor *m, const struct msg_login *login)
{
	const char *name = pamauth_user(&m->pam), *wrong;
	bool own = login->authzid[0] == '\0' || strcmp(login->authzid, login->authcid) == 0 || strcmp(login->authzid, name) == 0;

	if (!own)
		return refuse(OUTCOME_AUTHORIZATIONFAILED, "authzid");
	if (!sasl_is_name(name))
		return refuse(OUTCOME_AUTHENTICATIONFAILED, "name");
	wrong = account_find(&m->account, m->start->opts, name);
	if (wrong != NULL)
		return refuse(OUTCOME_AUTHENTICATIONFAILED, wrong);
	wrong = launch_try(m->start->opts, &m->account);
	if (wrong != NULL)
		return refuse(OUTCOME_UNAVAILABLE, wrong);
	return pamauth_open(&m->pam, m->start->opts);
}

static struct pamauth_verdict
judge(struct monitor *m, const struct msg_login *login)
{
	const char *wrong = malformed(login);
	struct pamauth_verdict verdict;

	if (wrong != NULL)
		return refuse(OUTCOME_AUTHENTICATIONFAILED, wrong);
	verdict = pamauth_check(&m->pam, m->start->opts, m->start->peer, login->authcid, login->secret);
	if (verdict.outcome == OUTCOME_OK)
		verdict = admit(m, login);
	if (verdict.outcome != OUTCOME_OK)
		pamauth_close(&m->pam);
	return verdict;
}

static bool
is_guess(enum msg_outcome outcome)
{
	return outcome == OUTCOME_AUTHENTICATIONFAILED || outcome == OUTCOME_AUTHORIZATIONFAILED;
}

static void
log_login(const struct monitor *m, const struct msg_login *login, const struct pamauth_verdict *verdict)
{
	bool ok = verdict->outcome == OUTCOME_OK;
	const char *user = ok ? m->account.name : login->authcid;
	struct log_line l;

	log_begin(&l, ok ? LOG_INFO : verdict->outcome == OUTCOME_UNAVAILABLE ? LOG_ERR : LOG_NOTICE, ok ? "auth-ok" : "auth-fail");
	log_field(&l, "mech", "%s", mechanism_name((enum msg_mechanism)login->mechanism));
	if (!ok) {
		log_field(&l, "attempt", "%u", m->attempts + m->uncounted);
		log_field(&l, "reason", "%s", verdict->reason);
	}
	log_quoted(&l, "user", user, strlen(user));
	log_write(&l);
}

/* No failure is quicker than another: until then everybody waits, longer with each attempt (RFC 9051, 11.7). */
static void
delay_failure(const struct monitor *m, int64_t began)
{
	int64_t until = began + (int64_t)m->start->opts->failure_delay_ms * m->attempts;
	struct timespec ts;

	if (until > m->start->deadline)
		until = m->start->deadline;
	ts = (struct timespec){ until / 1000, until % 1000 * 1000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void
answer_login(struct monitor *m)
{
	struct msg_login *login = &m->request.u.login;
	struct msg_login_answer *answer = &m->reply.u.login_answer;
	int64_t began = clock_ms();
	struct pamauth_verdict verdict;

	mechanism_name((enum msg_mechanism)login->mechanism);
	m->pam.text[0] = '\0';
	prepare_late_line("auth-fail", "deadline", login->authcid);
	verdict = judge(m, login);
	m->attempts += is_guess(verdict.outcome);
	m->uncounted += !is_guess(verdict.outcome);
	log_login(m, login, &verdict);
	explicit_bzero(login->secret, sizeof(login->secret));
	if (is_guess(verdict.outcome))
		delay_failure(m, began);
	prepare_late_line("end", "gate-hangs", NULL);

	m->reply.type = MSG_LOGIN_ANSWER;
	answer->outcome = verdict.outcome;
	answer->last = m->attempts >= m->start->opts->max_attempts || m->uncounted >= UNCOUNTED_MAX;
	snprintf(answer->text, sizeof(answer->text), "%s", m->pam.text);
	if (verdict.outcome == OUTCOME_OK) {
		m->mechanism = (enum msg_mechanism)login->mechanism;
		m->phase = ACCEPTED;
	}
	send_reply(m);
}

/* Keys. */

static void
answer_key(struct monitor *m)
{
	m->reply.type = MSG_KEY_ANSWER;
	m->reply.u.key_answer.held = sign_holds(&m->keys, m->request.u.key.index, m->request.u.key.spki);
	send_reply(m);
}

static void
answer_sign(struct monitor *m)
{
	m->reply.type = MSG_SIGN_ANSWER;
	sign_answer(&m->keys, &m->request.u.sign, &m->reply.u.sign_answer);
	send_reply(m);
}

/* Handing off. */

static void
log_handoff(const struct monitor *m, bool relay)
{
	const struct options *o = m->start->opts;
	struct log_line l;

	log_begin(&l, LOG_INFO, "handoff");
	log_field(&l, "uid", "%u", (unsigned)m->account.uid);
	log_field(&l, "gid", "%u", (unsigned)m->account.gid);
	log_field(&l, "how", "%s", relay ? "relay" : "exec");
	log_field(&l, "style", "%s", o->handoff == HANDOFF_TAG ? "tag" : "greeting");
	log_quoted(&l, "user", m->account.name, strlen(m->account.name));
	log_quoted(&l, "program", o->program[0], strlen(o->program[0]));
	log_write(&l);
}

/* Puts the mailbox program's end of the relay's stream in the client's place. */
static void
use_relay(const struct monitor *m)
{
	if (dup2(m->start->mailbox_fd, STDIN_FILENO) == -1 || dup2(m->start->mailbox_fd, STDOUT_FILENO) == -1)
		die("dup2");
}

static const char *
superserver_protocol(const struct peer *p)
{
	return p->kind == PEER_TLS ? p->tls_protocol : "";
}

static void
answer_launch(struct monitor *m)
{
	const struct msg_launch *launch = &m->request.u.launch;
	struct msg_tls tls = launch->tls;
	struct environment_facts facts = {
		.opts = m->start->opts,
		.peer = m->start->peer,
		.account = &m->account,
		.tls = &tls,
		.tag = launch->tag,
		.command = m->mechanism == MECH_LOGIN_COMMAND ? "LOGIN" : "AUTHENTICATE",
	};
	bool relay = tls.protocol[0] != '\0';

	/* SECURITY: mailbox programs print the tag as it comes. */
	if (!command_is_tag(launch->tag))
		bug("gate sent no tag");
	log_handoff(m, relay);
	if (relay) {
		use_relay(m);
	} else {
		wait_for_gate(m);
		snprintf(tls.protocol, sizeof(tls.protocol), "%s", superserver_protocol(m->start->peer));
		snprintf(tls.cipher, sizeof(tls.cipher), "%s", m->start->peer->tls_cipher);
	}
	facts.pam = pamauth_environment(&m->pam);
	pamauth_leave(&m->pam);
	sign_forget(&m->keys);
	launch_exec(m->start->opts, &m->account, &facts, m->start->inherited, m->start->log_fd);
	_exit(EX_TEMPFAIL);
}

/* The gate's lines. */

static const char *
reason_name(enum msg_reason reason)
{
	switch (reason) {
	case REASON_LOGOUT:
		return "logout";
	case REASON_DISCONNECTED:
		return "disconnected";
	case REASON_TIMEOUT:
		return "timeout";
	case REASON_ATTEMPTS:
		return "too-many-attempts";
	case REASON_BAD_COMMANDS:
		return "too-many-bad-commands";
	case REASON_NOT_IMAP:
		return "not-imap";
	case REASON_LITERAL_TOO_BIG:
		return "literal-too-big";
	case REASON_TLS_FAILED:
		return "tls-failed";
	case REASON_MONITOR_SLOW:
		return "deadline";
	}
	bug("unknown reason %d", (int)reason);
}

/* Every line from here on says which TLS it is. The names are OpenSSL's, or somebody is lying. */
static void
note_tls(const struct msg_tls *tls)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (tls->protocol[strspn(tls->protocol, plain)] != '\0' || tls->cipher[strspn(tls->cipher, plain)] != '\0')
		bug("gate sent no cipher's name");
	log_context("tls", tls->protocol);
	log_context("cipher", tls->cipher);
	prepare_late_line("end", "gate-hangs", NULL);
}

static void
log_tls_failure(const char *text)
{
	struct log_line l;

	log_begin(&l, LOG_NOTICE, "tls-fail");
	log_quoted(&l, "reason", text, strlen(text));
	log_write(&l);
}

static void
log_end(const struct msg_log *log)
{
	struct log_line l;

	log_begin(&l, LOG_INFO, "end");
	log_field(&l, "reason", "%s", reason_name((enum msg_reason)log->reason));
	log_field(&l, "commands", "%u", log->commands);
	log_field(&l, "bad", "%u", log->bad);
	log_write(&l);
}

/* The gate's die() or bug(): its own words, and we end as it does. */
static void __attribute__((noreturn))
fail_with_gate(struct monitor *m, const char *event, int priority, const char *text)
{
	struct log_line l;

	log_begin(&l, priority, event);
	log_quoted(&l, "text", text, strlen(text));
	log_write(&l);
	leave(m, wait_for_gate(m));
}

static void
answer_log(struct monitor *m)
{
	const struct msg_log *log = &m->request.u.log;

	switch ((enum msg_event)log->event) {
	case EVENT_TLS:
		note_tls(&log->tls);
		return;
	case EVENT_TLS_FAIL:
		log_tls_failure(log->text);
		return;
	case EVENT_END:
		log_end(log);
		/* Until the client has read its last words the gate stays, for a time that the timer bounds. */
		wait_for_gate(m);
		leave(m, 0);
	case EVENT_ERROR:
		fail_with_gate(m, "error", LOG_ERR, log->text);
	case EVENT_BUG:
		fail_with_gate(m, "bug", LOG_CRIT, log->text);
	}
	bug("gate logs an unknown event %u", log->event);
}

static const struct request {
	enum msg_type	type;
	unsigned	phases;		/* in which it may be asked */
	unsigned	most;		/* how often, 0: the answer sees to it */
	void		(*answer)(struct monitor *);
} requests[] = {
	{ MSG_LOGIN,	ASKING,			0,			answer_login },
	{ MSG_KEY,	ASKING,			OPTIONS_CERTS,		answer_key },
	{ MSG_SIGN,	ASKING,			1,			answer_sign },
	{ MSG_LAUNCH,	ACCEPTED,		1,			answer_launch },
	{ MSG_LOG,	ASKING | ACCEPTED,	LOGS_MAX,		answer_log },
};

static const struct request *
find_request(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].type == type)
			return &requests[i];
	bug("gate asks for %u", type);
}

static void
obey(struct monitor *m)
{
	const struct request *r = find_request(m->request.type);

	if ((r->phases & m->phase) == 0)
		bug("gate asks for %u in phase %d", m->request.type, (int)m->phase);
	if (r->most > 0 && m->asked[r->type]++ == r->most)
		bug("gate asks for %u once too often", m->request.type);
	if (r->type == MSG_LOGIN && (m->attempts >= m->start->opts->max_attempts || m->uncounted >= UNCOUNTED_MAX))
		bug("gate asks for one more login");
	r->answer(m);
	explicit_bzero(&m->request, sizeof(m->request));
}

void
monitor_run(const struct monitor_start *start)
{
	static struct monitor m;
	struct log_line l;
	int status;

	m.start = start;
	m.phase = ASKING;
	m.keys.opts = start->opts;
	gate_pid = start->gate;
	prepare_late_line("end", "gate-hangs", NULL);
	start_timer(start->deadline);
	while (msg_recv(start->gate_fd, &m.request) == 1)
		obey(&m);

	/* The gate has gone without a word: killed by its sandbox, or out of memory. */
	status = wait_for_gate(&m);
	log_begin(&l, LOG_ERR, "end");
	log_field(&l, "reason", "gate-died");
	log_field(&l, "status", "%d", status);
	log_write(&l);
	leave(&m, status != 0 ? status : EX_SOFTWARE);
}
