/*
 * The monitor, see monitor.h. Runs as root.
 *
 * The table of requests below is all that a gate can have done: what it may
 * ask, when, and how often. A gate that asks for anything else has been taken
 * over, and is not argued with. Counting attempts and slowing them down is
 * done here for the same reason.
 */

#include "monitor/monitor.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "monitor/admission.h"
#include "monitor/client.h"
#include "monitor/delay.h"
#include "monitor/interrupt.h"
#include "monitor/keeper.h"
#include "monitor/keyholder.h"
#include "monitor/pamkeeper.h"
#include "monitor/refused.h"
#include "monitor/report.h"
#include "monitor/sign.h"
#include "msg.h"
#include "proto/command.h"
#include "proto/reply.h"
#include "proto/sasl.h"

/* Logins that end in UNAVAILABLE or EXPIRED are no guesses, but they are not free either. */
#define UNCOUNTED_MAX	10

/* What the gate may have logged of one connection. */
#define LOGS_MAX	(11 + 2 * OPTIONS_CERTS)

enum phase {
	ASKING = 1,		/* nobody is logged in */
	ACCEPTED = 2,		/* PAM has said yes, and the gate has heard it */
};

struct monitor {
	const struct monitor_start	*start;
	enum phase			 phase;
	unsigned			 asked[MSG_LOG + 1]; /* how often, by type */
	unsigned			 attempts;		/* that were guesses */
	unsigned			 uncounted;		/* that were not */
	struct sign_keys		 keys;
	struct admission		 admission;
	uint32_t			 mechanism;		/* of the login that was accepted */
	bool				 last;			/* no further attempt will be heard */
	struct refused			 refused;
	struct client			 client;
	struct msg			 request, reply;
};

static void __attribute__((noreturn))
leave(struct monitor *m, int status)
{
	pamauth_close(&m->admission.pam);
	sign_forget(&m->keys);
	_exit(status);
}

static void
send_reply(struct monitor *m)
{
	/* A gate that has gone meanwhile is found out by the next msg_recv. */
	msg_send(m->start->gate_fd, &m->reply);
	msg_wipe(&m->reply);
}

/* Logging in. */

static struct pamauth_verdict
judge(struct monitor *m, const struct msg_login *login)
{
	struct pamauth_verdict verdict = admission_judge(&m->admission, login);

	if (verdict.outcome == OUTCOME_OK)
		interrupt_settle();
	return verdict;
}

/* Decides whether PAM is asked at all, and asks. */
static struct pamauth_verdict
decide(struct monitor *m, const struct msg_login *login, int64_t began)
{
	struct pamauth_verdict verdict = { .outcome = OUTCOME_AUTHENTICATIONFAILED, .reason = "repeated", .repeated = true };

	m->admission.pam.judged = m->admission.pam.authenticated = false;
	if (!delay_fits(m->start, began, m->attempts + 1)) {
		m->last = true;
		return (struct pamauth_verdict){ .outcome = OUTCOME_UNAVAILABLE, .reason = "deadline" };
	}
	if (refused_is_same(&m->refused, login))
		return verdict;
	verdict = judge(m, login);
	refused_remember(&m->refused, login, verdict.outcome);
	m->last |= verdict.outcome != OUTCOME_OK && m->admission.changed;
	return verdict;
}

/* Gives the modules' text to clients that know the password: on a failure it may tell whether there is such a user. */
static const char *
text_for_client(const struct monitor *m, const struct pamauth_verdict *verdict)
{
	const struct pamauth *p = &m->admission.pam;

	if (verdict->repeated)
		return "";
	return p->authenticated || m->start->opts->pam_text == PAM_TEXT_ALWAYS ? p->text : "";
}

static void
answer_login(struct monitor *m)
{
	struct msg_login *login = &m->request.u.login;
	struct msg_login_answer *answer = &m->reply.u.login_answer;
	int64_t began = clock_ms();
	struct pamauth_verdict verdict;
	bool guess;

	interrupt_late_login(login, m->attempts + m->uncounted + 1);
	verdict = decide(m, login, began);
	guess = admission_is_guess(&m->admission, verdict.outcome);
	m->attempts += guess;
	m->uncounted += !guess;
	report_login(login, &verdict, verdict.outcome == OUTCOME_OK ? m->admission.account.name : login->authcid,
	    m->attempts + m->uncounted);
	if (guess) {
		unsigned failures = delay_count(m->start->seat, login, m->attempts, began);

		explicit_bzero(login->secret, sizeof(login->secret));
		delay_failure(m->start, began, failures);
	}
	explicit_bzero(login->secret, sizeof(login->secret));
	interrupt_late_end();

	m->reply.type = MSG_LOGIN_ANSWER;
	answer->outcome = verdict.outcome;
	answer->last = m->last || m->attempts >= m->start->opts->max_attempts || m->uncounted >= UNCOUNTED_MAX;
	snprintf(answer->text, sizeof(answer->text), "%s", text_for_client(m, &verdict));
	if (verdict.outcome == OUTCOME_OK) {
		m->mechanism = login->mechanism;
		m->phase = ACCEPTED;
	}
	send_reply(m);
}

/* Keys: in a child of the listener they are another process's. */

static void
answer_key(struct monitor *m)
{
	const struct msg_key *q = &m->request.u.key;
	char text[MSG_REASON_MAX];
	const char *reason;

	if (q->index >= m->start->opts->certs)
		bug("gate asks for a key that does not exist");
	reason = m->start->keyholder == -1 ? sign_holds(&m->keys, q->index, q->key_digest) :
	    keyholder_has(m->start->keyholder, q->index, q->key_digest, text) ? NULL : text;
	if (reason != NULL)
		sign_report_key(m->start->opts, q->index, reason);
	msg_begin(&m->reply, MSG_KEY_ANSWER);
	m->reply.u.key_answer.held = reason == NULL;
	send_reply(m);
}

/* SECURITY: a gate that wants anything else signed has been taken over, and is not served any longer. */
static void
answer_sign(struct monitor *m)
{
	const struct msg_sign *q = &m->request.u.sign;
	struct msg_sign_answer *a = &m->reply.u.sign_answer;
	const char *refused = a->reason;

	m->reply.type = MSG_SIGN_ANSWER;
	if (m->start->keyholder != -1)
		keyholder_sign(m->start->keyholder, q, a);
	else
		refused = sign_answer(&m->keys, q, a);
	if (refused != NULL && refused[0] != '\0') {
		sign_report_refusal(q, refused);
		bug("gate wanted signed what is not TLS");
	}
	if (a->len == 0)
		sign_report_key(m->start->opts, q->index, "there is no signature by it");
	send_reply(m);
}

/* A key holder whose keys were renewed ends when all sockets to it are closed, and a keeper may live for days. */
static void
forget_keys(struct monitor *m)
{
	sign_forget(&m->keys);
	if (m->start->keyholder != -1)
		close(m->start->keyholder);
}

/* Handing off. */

/* PAM has done its part: descriptors 0 and 1 are what the mailbox program will have. */
static void
show_client(struct monitor *m, enum msg_how how)
{
	const struct peer *p = m->start->peer;

	if (how == HOW_RELAY)
		client_replace(&m->client, m->start->mailbox_fd, m->start->mailbox_fd);
	else if (how == HOW_TUNNEL)
		client_replace(&m->client, p->tunnel.read, p->tunnel.write);
	else
		client_show(&m->client);
	if (m->start->gate != 0)
		close(m->start->mailbox_fd);
}

/* Nothing more is said to the gate; and if it relays, the client's end shall come when the mailbox program closes its stream. */
static void
close_pair(const struct monitor *m)
{
	if (m->start->gate == 0)
		return;
	close(m->start->gate_fd);
}

/* Keepers, where there is something to do behind the mailbox program, outermost first; what goes on is their child. */
static void
leave_keepers(struct monitor *m, const char *tag, enum msg_how how, bool reports)
{
	const struct options *o = m->start->opts;
	bool ok = true;

	if (o->pam_session == PAM_SESSION_WAIT)
		ok = pamkeeper_stay(&m->admission.pam, &m->admission.account, (const int[]){ m->client.in, m->client.out,
		    m->start->gate != 0 ? m->start->mailbox_fd : -1 }, o->timeout_ms,
		    &(struct pamkeeper_program){ how, m->start->said, reports });
	pamauth_leave(&m->admission.pam);
	show_client(m, how);
	if (ok && how == HOW_KTLS)
		ok = keeper_stay(&m->admission.account, tag, reports && o->pam_session != PAM_SESSION_WAIT);
	if (ok)
		return;
	launch_apologize(tag);
	die("fork");
}

/* The end of the monitor: the mailbox program takes its place, or a keeper. An empty tag is for PREAUTH. */
static void __attribute__((noreturn))
hand_over(struct monitor *m, const char *tag, const struct msg_tls *tls, enum msg_how how)
{
	struct environment_facts facts = {
		.opts = m->start->opts,
		.peer = m->start->peer,
		.account = &m->admission.account,
		.tls = tls,
		.tag = tag,
		.command = m->mechanism == MECH_LOGIN_COMMAND ? "LOGIN" : "AUTHENTICATE",
		.pam = pamauth_environment(&m->admission.pam),
	};
	/* A listener sees the end of every session, and logs it. */
	bool reports = m->start->seat->board == NULL;

	refused_forget(&m->refused);
	interrupt_end();
	board_detach(m->start->seat);
	forget_keys(m);
	close_pair(m);
	leave_keepers(m, tag, how, reports);
	launch_exec(m->start->opts, &m->admission.account, &facts, m->start->inherited, log_stream());
	_exit(EX_TEMPFAIL);
}

/* TLS in front of us: the superserver's words about it are all there is. */
static void
describe_superserver(const struct peer *p, struct msg_tls *tls)
{
	memset(tls, 0, sizeof(*tls));
	if (p->kind != PEER_TLS)
		return;
	snprintf(tls->protocol, sizeof(tls->protocol), "%s", p->tls_protocol);
	snprintf(tls->cipher, sizeof(tls->cipher), "%s", p->tls_cipher);
}

/* SECURITY: a gate says how the client is to be reached; it may only say what was offered to it. */
static void
check_how(const struct msg_launch *launch, const struct peer *p, enum ktls_use ktls)
{
	bool clear = launch->tls.protocol[0] == '\0';

	if ((launch->how == HOW_EXEC) != clear)
		bug("gate hands off %s by %u", clear ? "cleartext" : "TLS", launch->how);
	if (launch->how == HOW_TUNNEL && p->tunnel.control == 0)
		bug("gate hands off to a superserver that does no TLS");
	if ((launch->how == HOW_KTLS && ktls == KTLS_OFF) || (launch->how == HOW_RELAY && ktls == KTLS_REQUIRE))
		bug("gate hands off against --ktls");
}

static void
answer_launch(struct monitor *m)
{
	const struct msg_launch *launch = &m->request.u.launch;
	enum msg_how how = (enum msg_how)launch->how;
	struct msg_tls tls = launch->tls;

	/* SECURITY: mailbox programs print the tag as it comes. */
	if (m->mechanism == MECH_PREAUTH ? launch->tag[0] != '\0' : !command_is_tag(launch->tag))
		bug("gate sent no tag");
	check_how(launch, m->start->peer, m->start->opts->ktls);
	report_handoff(m->start->opts, &m->admission.account, how, (enum msg_why)launch->why);
	if (how != HOW_RELAY)
		interrupt_wait_for_gate();
	if (how == HOW_EXEC)
		describe_superserver(m->start->peer, &tls);
	hand_over(m, launch->tag, &tls, how);
}

/* The gate's lines. */

static void
answer_log(struct monitor *m)
{
	const struct msg_log *log = &m->request.u.log;

	switch ((enum msg_event)log->event) {
	case EVENT_TLS:
		report_tls(&log->tls);
		interrupt_late_end();
		return;
	case EVENT_TLS_FAIL:
		report_tls_failure(log->text, board_count_line(m->start->seat, BOARD_LINE_TLS_FAIL, m->start->peer->address));
		return;
	case EVENT_AUTH_REFUSED:
		report_auth_refused(log, board_count_line(m->start->seat, BOARD_LINE_AUTH_REFUSED, m->start->peer->address));
		return;
	case EVENT_END:
		report_end(log, report_count_end(log, m->start->seat, m->start->peer, m->attempts + m->uncounted));
		/* Until the client has read its last words the gate stays, for a time that the timer bounds. */
		interrupt_wait_for_gate();
		leave(m, 0);
	case EVENT_ERROR:
		report_gate_failure(LOG_ERR, "error", log->text);
		leave(m, interrupt_wait_for_gate());
	case EVENT_BUG:
		report_gate_failure(LOG_CRIT, "bug", log->text);
		leave(m, interrupt_wait_for_gate());
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
	msg_wipe(&m->request);
}

static void
begin(struct monitor *m, const struct monitor_start *start)
{
	m->start = start;
	m->keys.opts = start->opts;
	m->admission.opts = start->opts;
	m->admission.peer = start->peer;
	m->admission.seat = start->seat;
	interrupt_begin(start->deadline);
	client_hide(&m->client);
}

void
monitor_run(const struct monitor_start *start)
{
	static struct monitor m;
	int status;

	begin(&m, start);
	m.phase = ASKING;
	interrupt_hear_gate(start->gate, start->gate_fd);
	while (msg_recv(start->gate_fd, &m.request) == 1)
		obey(&m);

	/* The gate has gone without a word: killed by its sandbox, or out of memory. */
	status = interrupt_wait_for_gate();
	report_gate_died(status);
	leave(&m, status != 0 ? status : EX_SOFTWARE);
}

/* RFC 9051, 7.1.5: what a client is told that is known, but not let in. */
static void __attribute__((noreturn))
refuse_preauth(struct monitor *m, enum msg_outcome outcome)
{
	const struct reply_words *words = reply_outcome(outcome);
	const struct msg_log end = { .event = EVENT_END, .reason = REASON_PREAUTH };
	struct reply r = { .len = 0 };

	report_end(&end, 1);
	reply_line(&r, "*", "BYE", words->code, words->text);
	show_client(m, HOW_EXEC);
	launch_say(&r, false);
	leave(m, 0);
}

/*
 * Why a peer can't be logged in, NULL if it is for PAM to say.
 *
 * SECURITY: a gate may be forked behind that, so PAM is not asked about root
 * and the system's accounts, and its modules have not read what is of others.
 */
static const char *
peer_objection(struct account *account, const struct monitor_start *start, const char *name)
{
	if (!sasl_is_name(name))
		return "name";
	if (start->peer->uid == 0 || start->peer->uid < start->opts->min_uid)
		return "uid";
	return account_find(account, start->opts, name);
}

void
monitor_preauth(const struct monitor_start *start)
{
	static struct monitor m;
	struct msg_login login = { .mechanism = MECH_PREAUTH };
	struct pamauth_verdict verdict = { .outcome = OUTCOME_AUTHENTICATIONFAILED };
	struct msg_tls tls;
	const struct passwd *pw = getpwuid(start->peer->uid);

	if (pw == NULL || msg_text(login.authcid, sizeof(login.authcid), pw->pw_name, strlen(pw->pw_name)) == -1)
		return;
	verdict.reason = peer_objection(&m.admission.account, start, login.authcid);
	if (verdict.reason != NULL) {
		if (account_is_missing(verdict.reason))
			verdict.outcome = OUTCOME_UNAVAILABLE;
		report_login(&login, &verdict, login.authcid, 1);
		return;
	}
	begin(&m, start);
	m.admission.by_peer = true;
	interrupt_late_login(&login, 1);
	verdict = judge(&m, &login);
	report_login(&login, &verdict, login.authcid, 1);
	if (verdict.outcome != OUTCOME_OK)
		refuse_preauth(&m, verdict.outcome);
	m.mechanism = MECH_PREAUTH;
	describe_superserver(start->peer, &tls);
	report_handoff(start->opts, &m.admission.account, HOW_EXEC, WHY_NONE);
	hand_over(&m, "", &tls, HOW_EXEC);
}
