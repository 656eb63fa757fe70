/*
 * The monitor, see monitor.h. Run as root; trusts neither gate nor client, and reads from the
 * gate only.
 *
 * requests[] lists every message a gate may send, in which phase and how often. A gate that sends
 * anything else is compromised: bug() ends the connection. Failed logins are counted and delayed
 * here, because a compromised gate would not do it.
 */

#include "monitor/monitor.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "boundary/msg.h"
#include "gatelog.h"
#include "monitor/accounting.h"
#include "monitor/authorize.h"
#include "monitor/client.h"
#include "monitor/delay.h"
#include "monitor/handoff.h"
#include "monitor/launch.h"
#include "monitor/refused.h"
#include "monitor/report.h"
#include "monitor/watchdog.h"
#include "proto/command.h"
#include "proto/reply.h"
#include "proto/sasl.h"
#include "signer/sign.h"

/* Limit of logins that are not guesses, such as those that end in UNAVAILABLE or EXPIRED. */
#define OTHER_LOGINS_MAX	10

enum phase {
	BEFORE_LOGIN = 1,	/* no login has succeeded */
	AFTER_LOGIN = 2,	/* a login has succeeded, and the gate was told */
};

struct monitor {
	const struct monitor_start	*start;
	enum phase			 phase;
	unsigned			 received_by_type[MSG_TYPES];	/* messages */
	unsigned			 received;	/* messages of all types */
	unsigned			 guesses;	/* logins that count as guesses */
	unsigned			 other_logins;	/* all others, a successful one included */
	struct sign_keys		 keys;
	struct authorization		 authorization;
	uint32_t			 mechanism;	/* enum msg_mechanism, after the login */
	bool				 no_more_logins;	/* no further login is allowed */
	bool				 proxied;	/* the gate has sent a PROXY header */
	struct refused			 refused;
	struct client			 client;
	struct msg			 request, reply;
};

static void __attribute__((noreturn))
monitor_exit(struct monitor *m, int status)
{
	pamauth_close(&m->authorization.pam);
	sign_forget(&m->keys);
	accounting_end();
	_exit(status);
}

static void
send_reply(struct monitor *m)
{
	/* The next msg_recv() notices a gate that has exited. */
	msg_send(m->start->gate_fd, &m->reply);
	msg_wipe(&m->reply);
}

/* Login. */

/* Authorizes a login; after success SIGTERM has its original disposition. */
static struct pamauth_result
authorize(struct monitor *m, const struct msg_login *login)
{
	struct pamauth_result result = authorize_login(&m->authorization, login);

	if (result.outcome == OUTCOME_OK)
		watchdog_restore_sigterm();
	return result;
}

/* Asks PAM, unless the delay would pass the deadline or the password was just refused. */
static struct pamauth_result
decide_login(struct monitor *m, const struct msg_login *login, int64_t began)
{
	struct pamauth_result result = { .outcome = OUTCOME_AUTHENTICATIONFAILED, .reason = "repeated", .repeated = true };

	m->authorization.pam.asked = m->authorization.pam.authenticated = false;
	if (!delay_fits(m->start, began, m->guesses + 1)) {
		m->no_more_logins = true;
		return (struct pamauth_result){ .outcome = OUTCOME_UNAVAILABLE, .reason = "deadline" };
	}
	if (refused_is_same(&m->refused, login))
		return result;
	result = authorize(m, login);
	refused_remember(&m->refused, login, result.outcome);
	/* Groups or PAM have changed this process for one user. */
	m->no_more_logins |= result.outcome != OUTCOME_OK && m->authorization.changed;
	return result;
}

/*
 * Returns the modules' text for a client that knows the password, or for every client with
 * --pam-text always. After a failure the text might reveal whether the user exists.
 */
static const char *
text_for_client(const struct monitor *m, const struct pamauth_result *result)
{
	const struct pamauth *p = &m->authorization.pam;

	if (result->repeated)
		return "";
	return p->authenticated || m->start->opts->pam_text == PAM_TEXT_ALWAYS ? p->text : "";
}

static void
answer_login(struct monitor *m)
{
	struct msg_login *login = &m->request.u.login;
	struct msg_login_answer *answer = &m->reply.u.login_answer;
	int64_t began = clock_ms();
	struct pamauth_result result;
	bool guess;

	watchdog_timeout_login(login, m->guesses + m->other_logins + 1);
	result = decide_login(m, login, began);
	guess = authorize_is_guess(&m->authorization, result.outcome);
	m->guesses += guess;
	m->other_logins += !guess;
	report_login(login, &result, result.outcome == OUTCOME_OK ? m->authorization.account.name : login->authcid,
	    m->guesses + m->other_logins);
	if (guess) {
		unsigned failures = delay_count(login, m->guesses, began);

		explicit_bzero(login->secret, sizeof(login->secret));
		delay_failure(m->start, began, failures);
	}
	explicit_bzero(login->secret, sizeof(login->secret));
	watchdog_timeout_gate();

	m->reply.type = MSG_LOGIN_ANSWER;
	answer->outcome = result.outcome;
	answer->no_more_logins = m->no_more_logins || m->guesses >= m->start->opts->max_attempts || m->other_logins >= OTHER_LOGINS_MAX;
	snprintf(answer->text, sizeof(answer->text), "%s", text_for_client(m, &result));
	if (result.outcome == OUTCOME_OK) {
		m->mechanism = login->mechanism;
		m->phase = AFTER_LOGIN;
	}
	send_reply(m);
}

/* Private keys. Under a superserver only: a listener has a signer for them. */

static void
answer_key(struct monitor *m)
{
	const struct msg_key *q = &m->request.u.key;
	const char *error;

	if (q->index >= m->start->opts->n_cert || accounting_has_listener())
		bug("gate sent MSG_KEY to the monitor for key %u", q->index);
	error = sign_answer_key(&m->keys, q->index, q->key_digest);
	if (error != NULL)
		sign_log_bad_key(m->start->opts, q->index, error);
	msg_begin(&m->reply, MSG_KEY_ANSWER);
	m->reply.u.key_answer.held = error == NULL;
	send_reply(m);
}

/*
 * SECURITY: a gate that asks for a signature over anything but a TLS handshake is compromised;
 * bug() ends it.
 */
static void
answer_sign(struct monitor *m)
{
	const struct msg_sign *q = &m->request.u.sign;
	struct msg_sign_answer *a = &m->reply.u.sign_answer;
	const char *error;

	if (accounting_has_listener())
		bug("gate that has a signer asked the monitor for a signature");
	msg_begin(&m->reply, MSG_SIGN_ANSWER);
	error = sign_answer(&m->keys, q, a);
	if (error != NULL) {
		sign_log_refusal(q, error);
		bug("gate asked to sign something other than a TLS handshake");
	}
	if (a->len == 0)
		sign_log_bad_key(m->start->opts, q->index, "signing with this key failed");
	send_reply(m);
}

/* Handoff. */

static void __attribute__((noreturn))
hand_off(struct monitor *m, const char *tag, const struct msg_tls *tls, enum msg_transport transport)
{
	refused_forget(&m->refused);
	sign_forget(&m->keys);
	handoff_run(&(struct handoff){ m->start, &m->authorization, &m->client, m->mechanism }, tag, tls, transport);
}

/* Describes TLS that a superserver or proxy does; only its own information is available. */
static void
describe_external_tls(const struct peer *p, struct msg_tls *tls)
{
	memset(tls, 0, sizeof(*tls));
	if (p->kind != PEER_TLS)
		return;
	snprintf(tls->protocol, sizeof(tls->protocol), "%s", p->tls_protocol);
	snprintf(tls->cipher, sizeof(tls->cipher), "%s", p->tls_cipher);
}

/* SECURITY: the gate chooses the transport; accept only those that were offered to it. */
static void
check_transport(const struct msg_launch *launch, const struct peer *p, enum ktls_use ktls)
{
	bool cleartext = launch->tls.protocol[0] == '\0';

	if ((launch->transport == TRANSPORT_SOCKET) != cleartext)
		bug("gate asked for transport %u with %s", launch->transport, cleartext ? "cleartext" : "TLS");
	if (launch->transport == TRANSPORT_UCSPI_TLS && p->ucspi_tls.control == 0)
		bug("gate asked for UCSPI-TLS, which the superserver does not offer");
	if ((launch->transport == TRANSPORT_KTLS && ktls == KTLS_OFF) || (launch->transport == TRANSPORT_RELAY && ktls == KTLS_REQUIRE))
		bug("transport %u is not allowed by --ktls", launch->transport);
}

static void
answer_launch(struct monitor *m)
{
	const struct msg_launch *launch = &m->request.u.launch;
	enum msg_transport transport = (enum msg_transport)launch->transport;
	struct msg_tls tls = launch->tls;

	/* SECURITY: mailbox programs print the tag unchanged. */
	if (m->mechanism == MECH_PREAUTH ? launch->tag[0] != '\0' : !command_is_tag(launch->tag))
		bug("gate sent an invalid tag");
	check_transport(launch, m->start->peer, m->start->opts->ktls);
	report_handoff(m->start->opts, &m->authorization.account, transport, (enum ktls_obstacle)launch->obstacle);
	if (transport != TRANSPORT_RELAY)
		watchdog_wait_for_gate();
	if (transport == TRANSPORT_SOCKET)
		describe_external_tls(m->start->peer, &tls);
	hand_off(m, launch->tag, &tls, transport);
}

/* Applies the PROXY header that the gate has read. The listener does this for its own gates. */
static void
answer_proxied(struct monitor *m)
{
	const struct msg_proxied *p = &m->request.u.proxied;
	struct proxy header = { (enum proxy_client)p->client, p->source, p->destination, p->tls != 0, "", "" };

	if (m->received > 1 || accounting_has_listener() || !peer_is_proxy(m->start->peer, m->start->opts))
		bug("unexpected PROXY header from the gate");
	memcpy(header.tls_protocol, p->tls_protocol, sizeof(header.tls_protocol));
	memcpy(header.tls_cipher, p->tls_cipher, sizeof(header.tls_cipher));
	if (!peer_replace(m->start->peer, &header))
		bug("malformed PROXY header from the gate");
	peer_set_log_context(m->start->peer);
	m->proxied = true;
	watchdog_timeout_gate();
	msg_begin(&m->reply, MSG_PROXIED_ANSWER);
	send_reply(m);
}

/* Log messages. */

/*
 * Waits for the gate to exit, and returns its status. The gate stays until the client has read
 * the last reply, or the timer ends it.
 */
static int
await_gate(void)
{
	watchdog_timeout_clear();
	return watchdog_wait_for_gate();
}

static void
answer_log(struct monitor *m)
{
	const struct msg_log *log = &m->request.u.log;

	switch (gatelog_write(log, 1)) {
	case GATELOG_CONTINUES:
		if (log->event != EVENT_TLS)
			return;
		log_context("tls", log->tls.protocol);
		log_context("cipher", log->tls.cipher);
		watchdog_timeout_gate();
		return;
	case GATELOG_EXITS:
		await_gate();
		monitor_exit(m, 0);
	case GATELOG_FAILED:
		monitor_exit(m, await_gate());
	case GATELOG_INVALID:
		break;
	}
	bug("invalid log event %u from the gate", log->event);
}

static const struct request {
	enum msg_type	type;
	unsigned	phases;		/* bits of enum phase in which it is allowed */
	unsigned	max;		/* limit of messages; 0: dispatch_request() has one */
	void		(*answer)(struct monitor *);
} requests[] = {
	{ MSG_LOGIN,	BEFORE_LOGIN,			0,		answer_login },
	{ MSG_KEY,	BEFORE_LOGIN,			OPTIONS_CERTS_MAX,	answer_key },
	{ MSG_SIGN,	BEFORE_LOGIN,			1,		answer_sign },
	{ MSG_LAUNCH,	AFTER_LOGIN,			1,		answer_launch },
	{ MSG_LOG,	BEFORE_LOGIN | AFTER_LOGIN,	GATE_LOGS_MAX,	answer_log },
	{ MSG_PROXIED,	BEFORE_LOGIN,			1,		answer_proxied },
};

static const struct request *
find_request(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].type == type)
			return &requests[i];
	bug("unexpected message type %u from the gate", type);
}

static void
dispatch_request(struct monitor *m)
{
	const struct request *r = find_request(m->request.type);

	m->received++;
	if ((r->phases & m->phase) == 0)
		bug("message type %u not allowed in phase %d", m->request.type, (int)m->phase);
	if (r->max > 0 && m->received_by_type[r->type]++ == r->max)
		bug("too many messages of type %u from the gate", m->request.type);
	if (r->type == MSG_LOGIN && (m->no_more_logins || m->guesses >= m->start->opts->max_attempts || m->other_logins >= OTHER_LOGINS_MAX))
		bug("login after the last allowed attempt");
	/* SECURITY: else the client would be taken for its proxy, to which no limit applies. */
	if (r->type == MSG_LOGIN && !m->proxied && !accounting_has_listener() && peer_is_proxy(m->start->peer, m->start->opts))
		bug("login before the PROXY header");
	r->answer(m);
	msg_wipe(&m->request);
}

static void
monitor_init(struct monitor *m, const struct monitor_start *start)
{
	m->start = start;
	m->keys.opts = start->opts;
	m->authorization.opts = start->opts;
	m->authorization.peer = start->peer;
	m->received_by_type[MSG_LOG] = start->logs;
	watchdog_start(start->deadline);
	client_detach(&m->client);
}

void
monitor_run(const struct monitor_start *start)
{
	static struct monitor m;
	int status;

	monitor_init(&m, start);
	m.phase = BEFORE_LOGIN;
	watchdog_set_gate(start->gate, start->gate_fd);
	while (msg_recv(start->gate_fd, &m.request) == 1)
		dispatch_request(&m);

	/* The gate has exited without a message: killed by its sandbox, or out of memory. */
	status = watchdog_wait_for_gate();
	gatelog_died(status);
	monitor_exit(&m, status != 0 ? status : EX_SOFTWARE);
}

/* Sends BYE to a known peer whose login was refused (RFC 9051, 7.1.5), and exits. */
static void __attribute__((noreturn))
refuse_preauth(struct monitor *m, enum msg_outcome outcome)
{
	const struct reply_words *words = reply_outcome(outcome);
	const struct msg_log end = { .event = EVENT_END, .reason = REASON_PREAUTH };
	struct reply r = { .len = 0 };

	gatelog_write(&end, 1);
	reply_line(&r, "*", "BYE", words->code, words->text);
	handoff_attach_client(&(struct handoff){ m->start, &m->authorization, &m->client, m->mechanism }, TRANSPORT_SOCKET, -1);
	launch_send(&r, false);
	monitor_exit(m, 0);
}

/*
 * Returns why a peer can't be logged in, or NULL if PAM should decide.
 *
 * SECURITY: a gate may be forked from this process afterwards. So PAM is not asked about root
 * and system accounts, and no module has put other users' data into memory that the gate would
 * inherit.
 */
static const char *
peer_error(struct account *account, const struct monitor_start *start, const char *name)
{
	if (!sasl_is_name(name))
		return ACCOUNT_BAD_NAME;
	if (start->peer->uid == 0 || start->peer->uid < start->opts->min_uid)
		return "uid";
	return account_find(account, start->opts, name);
}

void
monitor_preauth(const struct monitor_start *start)
{
	static struct monitor m;
	struct msg_login login = { .mechanism = MECH_PREAUTH };
	struct pamauth_result result = { .outcome = OUTCOME_AUTHENTICATIONFAILED };
	struct msg_tls tls;
	const struct passwd *pw = getpwuid(start->peer->uid);

	if (pw == NULL || msg_text(login.authcid, sizeof(login.authcid), pw->pw_name, strlen(pw->pw_name)) == -1)
		return;
	result.reason = peer_error(&m.authorization.account, start, login.authcid);
	if (result.reason != NULL) {
		if (account_is_missing(result.reason))
			result.outcome = OUTCOME_UNAVAILABLE;
		report_login(&login, &result, login.authcid, 1);
		return;
	}
	monitor_init(&m, start);
	m.authorization.by_peer = true;
	watchdog_timeout_login(&login, 1);
	result = authorize(&m, &login);
	report_login(&login, &result, login.authcid, 1);
	if (result.outcome != OUTCOME_OK)
		refuse_preauth(&m, result.outcome);
	m.mechanism = MECH_PREAUTH;
	describe_external_tls(start->peer, &tls);
	report_handoff(start->opts, &m.authorization.account, TRANSPORT_SOCKET, OBSTACLE_NONE);
	hand_off(&m, "", &tls, TRANSPORT_SOCKET);
}
