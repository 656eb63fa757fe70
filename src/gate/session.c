/*
 * The session, see session.h. Run by the gate, in its sandbox, which is
 * where strangers' bytes arrive. It trusts the monitor and nobody else.
 *
 * The table of verbs below says all that a client may do here. For each
 * command that is complete, or that waits for a literal to be invited, the
 * row's parse looks at the arguments and its refusal at the state; only then
 * run does something. What a row's refusal says is also what the capability
 * list is made of, so server and client can't disagree on what is on offer.
 */

#include "gate/session.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "gate/ask.h"
#include "gate/conn.h"
#include "gate/relay.h"
#include "gate/tls.h"
#include "log.h"
#include "msg.h"
#include "proto/command.h"
#include "proto/reply.h"
#include "proto/sasl.h"

/* A client that is wrong so often is none. Cancelled authentications count too (RFC 9051, 6.2.2: BAD). */
#define BAD_MAX		20

/* What happens next, after a command has been answered. */
enum next {
	NEXT_COMMAND,
	NEXT_STARTTLS,
	NEXT_HANDOFF,
};

/* Why a well-formed command can't be obeyed now. */
enum refusal {
	REFUSE_NOT,
	REFUSE_STATE,		/* it does not belong here */
	REFUSE_PRIVACY,		/* a secret would travel in the clear */
	REFUSE_UNAVAILABLE,	/* it would belong here, but this server is not well */
};

struct session {
	const struct options	*opts;
	const struct peer	*peer;
	struct conn		 conn;
	struct tls		 tls;
	struct command		 command;
	struct reply		 reply;		/* what has not been sent yet */
	unsigned		 commands;	/* read so far */
	unsigned		 bad;		/* of them answered BAD */
	char			 tag[COMMAND_TAG_MAX + 1];
	/* Arguments, as the verb's parse has found them. */
	struct command_string	 user, password;
	char			 mechanism[COMMAND_WORD_MAX + 1];
	struct command_span	 initial;
	/* One SASL exchange. */
	struct sasl		 sasl;
	char			 message[SASL_MESSAGE_MAX];
};

/* The end of a connection that was not logged in: the last word, one line in the log, and the process is gone. */
static void __attribute__((noreturn))
finish(struct session *s, enum msg_reason reason, const char *bye)
{
	struct msg_log log = { .event = EVENT_END, .reason = reason, .commands = s->commands, .bad = s->bad };

	if (bye != NULL)
		reply_data(&s->reply, bye);
	ask_log(&log);
	if (s->reply.len > 0)
		conn_write(&s->conn, s->reply.text, s->reply.len);
	command_reset(&s->command);
	conn_end(&s->conn);
	_exit(0);
}

/* The connection has ended by itself. */
static void __attribute__((noreturn))
lost(struct session *s, enum conn_end end)
{
	s->reply.len = 0;
	switch (end) {
	case CONN_TIMEOUT:
		finish(s, REASON_TIMEOUT, "BYE Too slow; please connect again");
	case CONN_ORPHANED:
		finish(s, REASON_DISCONNECTED, "BYE [UNAVAILABLE] Server error; please try again later");
	case CONN_OK:
	case CONN_CLOSED:
		finish(s, REASON_DISCONNECTED, NULL);
	}
	bug("unknown end %d", (int)end);
}

static void
flush(struct session *s)
{
	enum conn_end end = conn_write(&s->conn, s->reply.text, s->reply.len);

	if (end != CONN_OK)
		lost(s, end);
	s->reply.len = 0;
}

static enum next
answer(struct session *s, const char *status, const char *code, const char *text)
{
	reply_line(&s->reply, s->tag, status, code, text);
	return NEXT_COMMAND;
}

/* Answers BAD, tagged if there is a tag. */
static enum next
answer_bad(struct session *s, const char *code, const char *text)
{
	reply_line(&s->reply, s->tag[0] != '\0' ? s->tag : "*", "BAD", code, text);
	if (++s->bad >= BAD_MAX)
		finish(s, REASON_BAD_COMMANDS, "BYE Too many bad commands");
	return NEXT_COMMAND;
}

/* Refusals: what is open now, and what therefore is advertised. */

static enum refusal
refuse_nothing(const struct session *s)
{
	(void)s;
	return REFUSE_NOT;
}

/* RFC 9051, 6.2.1: BAD once there is TLS. */
static enum refusal
refuse_starttls(const struct session *s)
{
	if (s->conn.ssl != NULL || s->peer->kind == PEER_TLS || s->opts->certs == 0)
		return REFUSE_STATE;
	return s->tls.possible ? REFUSE_NOT : REFUSE_UNAVAILABLE;
}

static bool
is_private(const struct session *s)
{
	return s->conn.ssl != NULL || s->peer->kind != PEER_TCP;
}

/* RFC 9051, 11.5: no passwords in the clear unless the administrator has said so. */
static enum refusal
refuse_secrets(const struct session *s)
{
	if (is_private(s) || s->opts->allow_cleartext == CLEARTEXT_ALL)
		return REFUSE_NOT;
	if (s->opts->allow_cleartext == CLEARTEXT_LOOPBACK && s->peer->loopback)
		return REFUSE_NOT;
	return REFUSE_PRIVACY;
}

static void
list_capabilities(const struct session *s, char *list, size_t size)
{
	const struct sasl_mechanism *m;
	int n;

	n = snprintf(list, size, "CAPABILITY IMAP4rev1 SASL-IR%s%s ID%s", s->opts->capability[0] != '\0' ? " " : "",
	    s->opts->capability, refuse_starttls(s) == REFUSE_NOT ? " STARTTLS" : "");
	if (refuse_secrets(s) != REFUSE_NOT) {
		snprintf(list + n, size - (size_t)n, " LOGINDISABLED");
		return;
	}
	for (m = sasl_mechanisms; m->name != NULL; m++)
		n += snprintf(list + n, size - (size_t)n, " AUTH=%s", m->name);
}

/* Reading. */

/* Receives until a command is complete or wants something done; ends the session where nothing more can come. */
static enum command_event
receive(struct session *s)
{
	enum command_event event;
	enum conn_end end;
	size_t used;

	do {
		end = conn_look(&s->conn);
		if (end != CONN_OK)
			lost(s, end);
		event = command_feed(&s->command, s->conn.look, s->conn.looked, &used);
		conn_take(&s->conn, used);
		if (s->commands == 0 && command_is_foreign(&s->command))
			finish(s, REASON_NOT_IMAP, "BYE This is an IMAP server");
	} while (event == COMMAND_MORE);
	if (event == COMMAND_FLOOD)
		finish(s, REASON_LITERAL_TOO_BIG, "BYE [TOOBIG] Literal too big");
	return event;
}

/* Sends the challenge and receives a response into the command. False if the client gave up or sent what is none. */
static bool
challenge(struct session *s, const char *text)
{
	struct command_span response;

	command_reset_response(&s->command);
	reply_challenge(&s->reply, text, strlen(text));
	flush(s);
	if (receive(s) != COMMAND_READY) {
		answer_bad(s, NULL, "Response too long");
		return false;
	}
	response = command_response(&s->command);
	if (response.len == 1 && response.text[0] == '*') {
		answer_bad(s, NULL, "Authentication cancelled");
		return false;
	}
	s->initial = response;
	return true;
}

/* Logging in. */

/* What the client is told of each outcome (RFC 5530). One text for all that might tell a guesser something. */
static const struct {
	const char	*code;
	const char	*text;
} outcomes[] = {
	[OUTCOME_AUTHENTICATIONFAILED] = { "AUTHENTICATIONFAILED", "Authentication failed" },
	[OUTCOME_AUTHORIZATIONFAILED] = { "AUTHORIZATIONFAILED", "You may not act as that user" },
	[OUTCOME_EXPIRED] = { "EXPIRED", "Your password or account has expired" },
	[OUTCOME_CONTACTADMIN] = { "CONTACTADMIN", "Access is denied; please ask your administrator" },
	[OUTCOME_UNAVAILABLE] = { "UNAVAILABLE", "Login is not possible at the moment; please try again later" },
};

/* Shows what PAM had to say, as an alert: never in the clear, where somebody else could have written it (RFC 9051, 11.3). */
static void
show_alert(struct session *s, const struct msg_login_answer *a)
{
	if (a->text[0] != '\0' && is_private(s))
		reply_line(&s->reply, "*", a->outcome == OUTCOME_OK ? "OK" : "NO", "ALERT", a->text);
}

/* The way into the monitor for LOGIN and AUTHENTICATE alike. */
static enum next
authenticate(struct session *s, enum msg_mechanism mechanism)
{
	struct msg_login_answer a;
	bool answered = ask_login(mechanism, &s->sasl.credentials, &a);

	sasl_forget(&s->sasl);
	if (!answered) {
		answer(s, "NO", "UNAVAILABLE", outcomes[OUTCOME_UNAVAILABLE].text);
		finish(s, REASON_MONITOR_SLOW, "BYE Please try again later");
	}
	show_alert(s, &a);
	if (a.outcome == OUTCOME_OK)
		return NEXT_HANDOFF;
	if (a.outcome >= sizeof(outcomes) / sizeof(outcomes[0]) || outcomes[a.outcome].code == NULL)
		bug("unknown outcome %u", a.outcome);
	answer(s, "NO", outcomes[a.outcome].code, outcomes[a.outcome].text);
	if (a.last)
		finish(s, REASON_ATTEMPTS, "BYE Too many failed logins");
	return NEXT_COMMAND;
}

/* Decodes what stands in s->initial and gives it to the mechanism; "=" is an empty initial response (RFC 4959, 3). */
static bool
decode(struct session *s, bool initial, size_t *len)
{
	if (initial && s->initial.len == 1 && s->initial.text[0] == '=') {
		*len = 0;
		return true;
	}
	return sasl_decode(s->initial.text, s->initial.len, s->message, len);
}

static enum next
exchange(struct session *s, bool initial)
{
	enum sasl_next next;
	bool decoded;
	size_t len;

	do {
		if (!initial && !challenge(s, s->sasl.challenge))
			return NEXT_COMMAND;
		decoded = decode(s, initial, &len);
		command_reset(&s->command);
		if (!decoded)
			return answer_bad(s, NULL, "Invalid base64");
		next = sasl_step(&s->sasl, s->message, len);
		explicit_bzero(s->message, len);
		initial = false;
	} while (next == SASL_MORE);
	return authenticate(s, (enum msg_mechanism)s->sasl.mechanism->id);
}

/* The verbs: parse, then run. */

static enum command_verdict
parse_nothing(struct session *s)
{
	return command_nothing(&s->command);
}

static enum command_verdict
parse_id(struct session *s)
{
	return command_id(&s->command);
}

static enum command_verdict
parse_login(struct session *s)
{
	return command_login(&s->command, &s->user, &s->password);
}

static enum command_verdict
parse_authenticate(struct session *s)
{
	return command_authenticate(&s->command, s->mechanism, &s->initial);
}

static enum next
do_capability(struct session *s)
{
	char list[1024];

	list_capabilities(s, list, sizeof(list));
	reply_data(&s->reply, list);
	return answer(s, "OK", NULL, "Capability completed");
}

static enum next
do_noop(struct session *s)
{
	return answer(s, "OK", NULL, "NOOP completed");
}

static enum next
do_logout(struct session *s)
{
	reply_data(&s->reply, "BYE Logging out");
	answer(s, "OK", NULL, "Logout completed");
	finish(s, REASON_LOGOUT, NULL);
}

/* RFC 2971: a courtesy. What the client says of itself is read and forgotten. */
static enum next
do_id(struct session *s)
{
	reply_data(&s->reply, "ID (\"name\" \"imapgate\")");
	return answer(s, "OK", NULL, "ID completed");
}

static void
log_tls_failure(const char *text)
{
	struct msg_log log = { .event = EVENT_TLS_FAIL };

	snprintf(log.text, sizeof(log.text), "%s", text);
	ask_log(&log);
}

/* RFC 9051, 6.2.1. OK is only said when nothing of ours can be in the way any more. */
static enum next
do_starttls(struct session *s)
{
	const char *wrong = tls_prepare(&s->tls);

	if (wrong != NULL) {
		log_tls_failure(wrong);
		return answer(s, "NO", "UNAVAILABLE", "TLS is not possible at the moment");
	}
	answer(s, "OK", NULL, "Begin TLS negotiation now");
	return NEXT_STARTTLS;
}

static enum next
do_login(struct session *s)
{
	sasl_login(&s->sasl.credentials, s->user.text, s->user.len, s->password.text, s->password.len);
	explicit_bzero(&s->password, sizeof(s->password));
	command_reset(&s->command);
	return authenticate(s, MECH_LOGIN_COMMAND);
}

static enum next
do_authenticate(struct session *s)
{
	const struct sasl_mechanism *m = sasl_find(s->mechanism);
	bool initial = s->initial.text != NULL;

	if (m == NULL)
		return answer(s, "NO", NULL, "Unsupported authentication mechanism");
	/* RFC 4959, 3 wants BAD where the server speaks first, but clients answer LOGIN's first question unasked. */
	if (initial && m->server_first && s->opts->strict)
		return answer_bad(s, NULL, "This mechanism has no initial response");
	sasl_begin(&s->sasl, m);
	return exchange(s, initial);
}

static const struct verb {
	const char		*name;
	enum command_verdict	(*parse)(struct session *);
	enum refusal		(*refusal)(const struct session *);
	enum next		(*run)(struct session *);
} verbs[] = {
	{ "CAPABILITY",		parse_nothing,		refuse_nothing,		do_capability },
	{ "NOOP",		parse_nothing,		refuse_nothing,		do_noop },
	{ "LOGOUT",		parse_nothing,		refuse_nothing,		do_logout },
	{ "ID",			parse_id,		refuse_nothing,		do_id },
	{ "STARTTLS",		parse_nothing,		refuse_starttls,	do_starttls },
	{ "LOGIN",		parse_login,		refuse_secrets,		do_login },
	{ "AUTHENTICATE",	parse_authenticate,	refuse_secrets,		do_authenticate },
};

static const struct verb *
find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcasecmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static enum next
refuse(struct session *s, enum refusal refusal)
{
	if (refusal == REFUSE_PRIVACY)
		return answer(s, "NO", "PRIVACYREQUIRED", "Passwords are only taken over TLS");
	if (refusal == REFUSE_UNAVAILABLE)
		return answer(s, "NO", "UNAVAILABLE", "TLS is not possible at the moment");
	return answer_bad(s, NULL, "Command is not possible in this state");
}

/* Finds the row for a command and whether it may run; answers if it may not, and gives NULL. */
static const struct verb *
judge(struct session *s, bool waiting)
{
	char word[COMMAND_WORD_MAX + 1] = "";
	const struct verb *verb;
	enum command_verdict verdict;
	enum refusal refusal;

	if (s->tag[0] == '\0') {
		answer_bad(s, NULL, "A command begins with a tag");
		return NULL;
	}
	command_word(&s->command, word);
	verb = find_verb(word);
	if (verb == NULL) {
		if (find_verb(s->tag) != NULL)
			answer_bad(s, "CLIENTBUG", "Unknown command; is the tag missing?");
		else
			answer_bad(s, NULL, "Unknown command, or not before login");
		return NULL;
	}
	verdict = verb->parse(s);
	if (verdict != (waiting ? COMMAND_UNFINISHED : COMMAND_GOOD)) {
		answer_bad(s, NULL, "Syntax error in arguments");
		return NULL;
	}
	refusal = verb->refusal(s);
	if (refusal != REFUSE_NOT) {
		refuse(s, refusal);
		return NULL;
	}
	return verb;
}

/* Reads one command, inviting its literals for as long as it looks good, and runs it. */
static enum next
one_command(struct session *s)
{
	const struct verb *verb = NULL;
	enum command_event event;

	command_reset(&s->command);
	for (;;) {
		event = receive(s);
		if (event != COMMAND_LITERAL)
			break;
		if (!command_tag(&s->command, s->tag))
			s->tag[0] = '\0';
		if (judge(s, true) == NULL) {
			s->commands++;
			return NEXT_COMMAND;
		}
		reply_continue(&s->reply, "OK");
		flush(s);
	}
	s->commands++;
	if (!command_tag(&s->command, s->tag))
		s->tag[0] = '\0';
	if (event == COMMAND_TOO_LONG)
		return answer_bad(s, NULL, "Command line too long");
	if (event == COMMAND_LITERAL_BIG)
		return answer_bad(s, NULL, "Literal too big");
	verb = judge(s, false);
	return verb != NULL ? verb->run(s) : NEXT_COMMAND;
}

/*
 * The handshake. RFC 9051, 6.2.1: nothing is carried over from before it but
 * the abuse counters, and what was injected behind the STARTTLS line is not
 * in any buffer of ours: the handshake finds it and fails.
 */
static void
start_tls(struct session *s)
{
	struct msg_log log = { .event = EVENT_TLS };
	char error[128];

	command_reset(&s->command);
	if (tls_accept(&s->tls, &s->conn, error, sizeof(error)) != CONN_OK) {
		log_tls_failure(error);
		finish(s, REASON_TLS_FAILED, NULL);
	}
	tls_describe(&s->conn, &log.tls);
	ask_log(&log);
}

/* The client is logged in. Over TLS somebody has to stay, for as long as the mailbox program lives. */
static void __attribute__((noreturn))
hand_off(struct session *s)
{
	struct msg_tls tls;

	command_reset(&s->command);
	tls_describe(&s->conn, &tls);
	ask_launch(s->tag, &tls);
	if (s->conn.ssl == NULL)
		_exit(0);
	close(SANDBOX_MONITOR);
	relay_run(&s->conn, SANDBOX_MAILBOX);
	_exit(0);
}

static void
greet(struct session *s)
{
	char list[1024];

	list_capabilities(s, list, sizeof(list));
	reply_line(&s->reply, "*", "OK", list, "imapgate ready");
	flush(s);
}

static void
converse(struct session *s)
{
	enum next next = NEXT_COMMAND;

	while (next != NEXT_HANDOFF) {
		next = one_command(s);
		flush(s);
		if (next == NEXT_STARTTLS)
			start_tls(s);
	}
	hand_off(s);
}

/* On port 993 no TLS means no connection: the client could not read a word of ours (RFC 8314, 3.2). */
static void
start_on_connect(struct session *s)
{
	const char *wrong = s->tls.possible ? tls_prepare(&s->tls) : "certificates can't be read";

	if (wrong != NULL) {
		log_die_status = EX_CONFIG;
		errno = 0;
		die("TLS is not possible: %s", wrong);
	}
	start_tls(s);
}

void
session_run(const struct session_start *start)
{
	static struct session s;

	ask_init(start->monitor, start->deadline);
	log_diverted = ask_log_failure;
	s.opts = start->opts;
	s.peer = start->peer;
	tls_load(&s.tls, start->opts);
	conn_init(&s.conn, SANDBOX_MONITOR, start->deadline);
	sandbox_enter(&start->sandbox, start->monitor, start->mailbox);
	ask_init(SANDBOX_MONITOR, start->deadline);
	s.command.strict = start->opts->strict;
	if (start->opts->tls_on_connect)
		start_on_connect(&s);
	greet(&s);
	converse(&s);
	_exit(0);
}
