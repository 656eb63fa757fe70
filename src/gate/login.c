/*
 * Logging in, see login.h. Run by the gate, which holds a password from the
 * moment it was read until the monitor has been asked, and then wipes it.
 */

#include "gate/login.h"

#include <stdio.h>
#include <string.h>

#include "gate/ask.h"
#include "base/log.h"

/* RFC 9051, 11.5: no passwords in the clear unless the administrator has said so. */
enum permission
login_password_permission(const struct imap *s)
{
	if (dialogue_is_private(s) || s->opts->allow_cleartext == CLEARTEXT_ALL)
		return PERMITTED;
	if (s->opts->allow_cleartext == CLEARTEXT_LOOPBACK && s->peer->loopback)
		return PERMITTED;
	return DENIED_PRIVACY;
}

enum permission
login_permission(const struct imap *s, const struct sasl_mechanism *m)
{
	switch (m->proof) {
	case SASL_PASSWORD:
		return login_password_permission(s);
	case SASL_CERTIFICATE:
		return s->certificate_user[0] != '\0' ? PERMITTED : DENIED_UNSUPPORTED;
	case SASL_TOKEN:
		/* RFC 6750, 5.3: a bearer token in the clear is given away, whatever is allowed for passwords. */
		if (s->opts->oauth_service == NULL)
			return DENIED_UNSUPPORTED;
		return dialogue_is_private(s) ? PERMITTED : DENIED_PRIVACY;
	}
	bug("unknown proof %d", (int)m->proof);
}

/* Lines of one connection about logins that were refused here; its end counts the others. Monitor.c has room for them. */
#define REFUSED_LINES	3

static void
log_refused(struct imap *s, const char *mechanism, bool cleartext, bool exposed, const char *user, size_t len)
{
	struct msg_log log = { .event = EVENT_AUTH_REFUSED, .mechanism = sasl_log_number(mechanism), .cleartext = cleartext, .exposed = exposed };

	if (++s->refused > REFUSED_LINES)
		return;
	/* A word that is no name is none in the line either. */
	if (msg_text(log.text, sizeof(log.text), user, len) == -1)
		log.text[0] = '\0';
	ask_log(&log);
}

void
login_report_refused(struct imap *s, bool complete)
{
	size_t len = s->user.len <= SASL_NAME_MAX ? s->user.len : 0;

	log_refused(s, "LOGIN-command", true, complete, s->user.text, len);
}

/* Sends the challenge and receives a response into the command. False if the client gave up or sent what is none. */
static bool
challenge(struct imap *s, const char *text)
{
	struct command_span response;

	command_reset_response(&s->command);
	reply_challenge(&s->reply, text, strlen(text));
	dialogue_flush(s);
	if (dialogue_receive(s) != COMMAND_READY) {
		dialogue_answer_bad(s, NULL, "Response too long");
		return false;
	}
	response = command_response(&s->command);
	if (response.len == 1 && response.text[0] == '*') {
		dialogue_answer_bad(s, NULL, "Authentication cancelled");
		return false;
	}
	s->initial = response;
	return true;
}

/* Shows what PAM had to say, as an alert: never in the clear, where somebody else could have written it (RFC 9051, 11.3). */
static void
show_alert(struct imap *s, const struct msg_login_answer *a)
{
	if (a->text[0] != '\0' && dialogue_is_private(s))
		reply_line(&s->reply, "*", a->outcome == OUTCOME_OK ? "OK" : "NO", "ALERT", a->text);
}

/* The way into the monitor for all. The credentials are wiped. */
static void
ask_monitor(struct imap *s, enum msg_mechanism mechanism, struct msg_login_answer *a)
{
	bool answered = ask_login(mechanism, &s->sasl.credentials, a);
	const struct reply_words *unavailable = reply_outcome(OUTCOME_UNAVAILABLE);

	snprintf(s->title_name, sizeof(s->title_name), "%.*s", TITLE_NAME, s->sasl.credentials.authcid);
	sasl_forget(&s->sasl);
	if (!answered) {
		if (s->tag[0] != '\0')
			dialogue_answer(s, "NO", unavailable->code, unavailable->text);
		dialogue_finish(s, REASON_MONITOR_SLOW, "BYE Please try again later");
	}
	if (a->outcome != OUTCOME_OK && reply_outcome(a->outcome) == NULL)
		bug("unknown outcome %u", a->outcome);
	/* A greeting is one line, and the mailbox program's. */
	if (mechanism != MECH_PREAUTH)
		show_alert(s, a);
}

static bool
is_guess(uint32_t outcome)
{
	return outcome == OUTCOME_AUTHENTICATIONFAILED || outcome == OUTCOME_AUTHORIZATIONFAILED;
}

/* Failure is the mechanism's challenge for it, or NULL: the client answers it before it hears NO (RFC 7628, 3.2.3). */
static enum next
authenticate(struct imap *s, enum msg_mechanism mechanism, const char *failure)
{
	const struct reply_words *words;
	struct msg_login_answer a;

	ask_monitor(s, mechanism, &a);
	if (a.outcome == OUTCOME_OK)
		return NEXT_HANDOFF;
	words = reply_outcome(a.outcome);
	if (failure == NULL || a.outcome != OUTCOME_AUTHENTICATIONFAILED || challenge(s, failure))
		dialogue_answer(s, "NO", words->code, words->text);
	if (a.last && is_guess(a.outcome))
		dialogue_finish(s, REASON_ATTEMPTS, "BYE Too many failed logins");
	if (a.last)
		dialogue_finish(s, REASON_UNAVAILABLE, "BYE Please try again later");
	return NEXT_COMMAND;
}

enum next
login_preauth(struct imap *s)
{
	const struct reply_words *words;
	struct msg_login_answer a;
	char bye[128];

	strcpy(s->sasl.credentials.authcid, s->certificate_user);
	ask_monitor(s, MECH_PREAUTH, &a);
	if (a.outcome == OUTCOME_OK)
		return NEXT_HANDOFF;
	words = reply_outcome(a.outcome);
	snprintf(bye, sizeof(bye), "BYE [%s] %s", words->code, words->text);
	dialogue_finish(s, REASON_PREAUTH, bye);
}

/* Decodes what stands in s->initial and gives it to the mechanism; "=" is an empty initial response (RFC 4959, 3). */
static bool
decode(struct imap *s, bool initial, size_t *len)
{
	if (initial && s->initial.len == 1 && s->initial.text[0] == '=') {
		*len = 0;
		return true;
	}
	return sasl_decode(s->initial.text, s->initial.len, s->message, len);
}

/* RFC 7628, 3.1: host and port, where the client says them and we know ours, must be ours. */
static bool
is_for_us(const struct imap *s)
{
	if (s->sasl.host[0] != '\0' && s->conn.ssl != NULL && !tls_is_ours(&s->conn, s->sasl.host))
		return false;
	return s->sasl.port[0] == '\0' || !s->peer->socket || strcmp(s->sasl.port, s->peer->local_port) == 0;
}

/* Questions and answers until the mechanism has what it needs. False if the client gave up or broke off; it has been answered. */
static bool
exchange(struct imap *s, bool initial)
{
	enum sasl_next next = SASL_MORE;
	size_t len;

	while (next == SASL_MORE) {
		if (!initial && !challenge(s, s->sasl.challenge))
			return false;
		if (!decode(s, initial, &len)) {
			dialogue_answer_bad(s, NULL, "Invalid base64");
			return false;
		}
		command_reset(&s->command);
		next = sasl_step(&s->sasl, s->message, len);
		initial = false;
	}
	return true;
}

/* An exchange, and whatever comes of it nothing of its messages stays. */
static enum next
run_mechanism(struct imap *s, bool initial)
{
	bool complete = exchange(s, initial);

	explicit_bzero(s->message, sizeof(s->message));
	if (!complete) {
		sasl_forget(&s->sasl);
		return NEXT_COMMAND;
	}
	if (!is_for_us(s))
		s->sasl.credentials.malformed = true;
	return authenticate(s, (enum msg_mechanism)s->sasl.mechanism->id, s->sasl.mechanism->failure);
}

enum next
login_command(struct imap *s)
{
	sasl_login(&s->sasl.credentials, s->user.text, s->user.len, s->password.text, s->password.len);
	explicit_bzero(s->password.text, sizeof(s->password.text));
	command_reset(&s->command);
	return authenticate(s, MECH_LOGIN_COMMAND, NULL);
}

/* Words that the client has said too early: its name, if its initial response has one, and perhaps its password. */
static void
report_exposure(struct imap *s, const struct sasl_mechanism *m)
{
	const struct credentials *cred = &s->sasl.credentials;
	bool exposed = false;
	size_t len;

	sasl_begin(&s->sasl, m, "");
	if (s->initial.text != NULL && decode(s, true, &len)) {
		exposed = len > 0 && sasl_step(&s->sasl, s->message, len) == SASL_DONE;
		explicit_bzero(s->message, sizeof(s->message));
	}
	log_refused(s, m->name, true, exposed, cred->authcid, cred->malformed ? 0 : strlen(cred->authcid));
	sasl_forget(&s->sasl);
}

enum next
login_authenticate(struct imap *s)
{
	const struct sasl_mechanism *m = sasl_find(s->mechanism);
	bool initial = s->initial.text != NULL;

	enum permission permission = m == NULL ? DENIED_UNSUPPORTED : login_permission(s, m);

	if (permission == DENIED_PRIVACY)
		report_exposure(s, m);
	else if (permission == DENIED_UNSUPPORTED)
		log_refused(s, s->mechanism, false, false, "", 0);
	if (permission != PERMITTED)
		return dialogue_deny(s, permission);
	/* RFC 4959, 3 wants BAD where the server speaks first, but clients answer LOGIN's first question unasked. */
	if (initial && m->server_first && s->opts->strict)
		return dialogue_answer_bad(s, NULL, "This mechanism has no initial response");
	sasl_begin(&s->sasl, m, s->certificate_user);
	return run_mechanism(s, initial);
}

