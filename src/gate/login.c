/*
 * Logging in, see login.h. Run by the gate in its sandbox; reads from the network. A password is
 * held from its arrival until the monitor has been asked, and then wiped.
 */

#include "gate/login.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "gate/ask.h"
#include "gate/handshake.h"

/* RFC 9051, 11.5 forbids passwords in cleartext unless the administrator allows them. */
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
		/*
		 * RFC 6750, 5.3: never send a bearer token in cleartext; --allow-cleartext is
		 * for passwords only.
		 */
		if (s->opts->oauth_service == NULL)
			return DENIED_UNSUPPORTED;
		return dialogue_is_private(s) ? PERMITTED : DENIED_PRIVACY;
	}
	bug("unknown kind of credential %d", (int)m->proof);
}

static void
log_refused(struct imap *s, const char *mechanism, bool needs_tls, bool exposed, const char *user, size_t len)
{
	struct msg_log log = { .event = EVENT_AUTH_REFUSED, .mechanism = sasl_log_number(mechanism), .needs_tls = needs_tls, .exposed = exposed };

	if (++s->refused > GATE_REFUSED_LOGS_MAX)
		return;
	/* Text that can't be a user name is not logged. */
	if (msg_text(log.text, sizeof(log.text), user, len) == -1)
		log.text[0] = '\0';
	ask_log(&log);
}

void
login_report_refused(struct imap *s, bool password_sent)
{
	size_t len = s->user.len <= SASL_NAME_MAX ? s->user.len : 0;

	log_refused(s, "LOGIN-command", true, password_sent, s->user.text, len);
}

/*
 * Sends a challenge and receives s->response. Returns false, with the reply appended, if the client
 * cancelled or the response is too long.
 */
static bool
challenge_client(struct imap *s, const char *text)
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
	s->response = response;
	return true;
}

/*
 * Appends PAM's text as an alert, but never in cleartext, where an attacker could inject one (RFC
 * 9051, 11.3).
 */
static void
append_alert(struct imap *s, const struct msg_login_answer *a)
{
	if (a->text[0] != '\0' && dialogue_is_private(s))
		reply_line(&s->reply, "*", a->outcome == OUTCOME_OK ? "OK" : "NO", "ALERT", a->text);
}

/*
 * Asks the monitor about the credentials, wipes them, and appends the alert of the answer. Calls
 * dialogue_finish() if there is no answer.
 */
static void
ask_monitor(struct imap *s, enum msg_mechanism mechanism, struct msg_login_answer *a)
{
	bool answered = ask_login(mechanism, &s->sasl.credentials, a);
	const struct reply_words *unavailable = reply_outcome(OUTCOME_UNAVAILABLE);

	snprintf(s->title_name, sizeof(s->title_name), "%.*s", TITLE_NAME_MAX, s->sasl.credentials.authcid);
	sasl_forget(&s->sasl);
	if (!answered) {
		if (s->tag[0] != '\0')
			dialogue_answer(s, "NO", unavailable->code, unavailable->text);
		dialogue_finish(s, REASON_MONITOR_SLOW, "BYE Please try again later");
	}
	if (a->outcome != OUTCOME_OK && reply_outcome(a->outcome) == NULL)
		bug("unknown outcome %u", a->outcome);
	/* With PREAUTH the mailbox program sends the greeting, which is one line. */
	if (mechanism != MECH_PREAUTH)
		append_alert(s, a);
}

static bool
is_failed_authentication(uint32_t outcome)
{
	return outcome == OUTCOME_AUTHENTICATIONFAILED || outcome == OUTCOME_AUTHORIZATIONFAILED;
}

/*
 * Asks the monitor; appends NO after a failure. Calls dialogue_finish() if no more logins are
 * permitted. failure: challenge that the mechanism sends before NO (RFC 7628, 3.2.3), or NULL.
 */
static enum next
authenticate_client(struct imap *s, enum msg_mechanism mechanism, const char *failure)
{
	const struct reply_words *words;
	struct msg_login_answer a;

	ask_monitor(s, mechanism, &a);
	if (a.outcome == OUTCOME_OK)
		return NEXT_HANDOFF;
	words = reply_outcome(a.outcome);
	if (failure == NULL || a.outcome != OUTCOME_AUTHENTICATIONFAILED || challenge_client(s, failure))
		dialogue_answer(s, "NO", words->code, words->text);
	if (a.no_more_logins && is_failed_authentication(a.outcome))
		dialogue_finish(s, REASON_ATTEMPTS, "BYE Too many failed logins");
	if (a.no_more_logins)
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

/*
 * Decodes s->response into s->message; "=" is an empty initial response (RFC 4959, 3). Returns
 * false if the response is not valid base64.
 */
static bool
decode_response(struct imap *s, bool initial, size_t *len)
{
	if (initial && s->response.len == 1 && s->response.text[0] == '=') {
		*len = 0;
		return true;
	}
	return sasl_decode(s->response.text, s->response.len, s->message, len);
}

/*
 * Returns false if host or port of an OAuth message are another server's (RFC 7628, 3.1). A value
 * that is not known on both sides is not compared.
 */
static bool
oauth_names_this_server(const struct imap *s)
{
	if (s->sasl.host[0] != '\0' && s->conn.ssl != NULL && !handshake_is_own_name(&s->conn, s->sasl.host))
		return false;
	return s->sasl.port[0] == '\0' || !s->peer->tcp_socket || strcmp(s->sasl.port, s->peer->local_port) == 0;
}

/*
 * Exchanges challenges and responses until the mechanism is done. Returns false, with the reply
 * appended, if the client cancelled or a response is invalid.
 */
static bool
run_exchange(struct imap *s, bool initial)
{
	enum sasl_next next = SASL_MORE;
	size_t len;

	while (next == SASL_MORE) {
		if (!initial && !challenge_client(s, s->sasl.challenge))
			return false;
		if (!decode_response(s, initial, &len)) {
			dialogue_answer_bad(s, NULL, "Invalid base64");
			return false;
		}
		command_reset(&s->command);
		next = sasl_step(&s->sasl, s->message, len);
		initial = false;
	}
	return true;
}

/* Runs an exchange, wipes its messages, and authenticates if it was completed. */
static enum next
run_mechanism(struct imap *s, bool initial)
{
	bool complete = run_exchange(s, initial);

	explicit_bzero(s->message, sizeof(s->message));
	if (!complete) {
		sasl_forget(&s->sasl);
		return NEXT_COMMAND;
	}
	if (!oauth_names_this_server(s))
		s->sasl.credentials.malformed = true;
	return authenticate_client(s, (enum msg_mechanism)s->sasl.mechanism->id, s->sasl.mechanism->failure);
}

enum next
login_command(struct imap *s)
{
	sasl_login(&s->sasl.credentials, s->user.text, s->user.len, s->password.text, s->password.len);
	explicit_bzero(s->password.text, sizeof(s->password.text));
	command_reset(&s->command);
	return authenticate_client(s, MECH_LOGIN_COMMAND, NULL);
}

/*
 * Logs that a mechanism was denied for lack of TLS, with the user name and whether the initial
 * response contained a secret.
 */
static void
log_mechanism_denied(struct imap *s, const struct sasl_mechanism *m)
{
	const struct credentials *cred = &s->sasl.credentials;
	bool exposed = false;
	size_t len;

	sasl_begin(&s->sasl, m, "");
	if (s->response.text != NULL && decode_response(s, true, &len)) {
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
	bool initial = s->response.text != NULL;

	enum permission permission = m == NULL ? DENIED_UNSUPPORTED : login_permission(s, m);

	if (permission == DENIED_PRIVACY)
		log_mechanism_denied(s, m);
	else if (permission == DENIED_UNSUPPORTED)
		log_refused(s, s->mechanism, false, false, "", 0);
	if (permission != PERMITTED)
		return dialogue_deny(s, permission);
	/*
	 * RFC 4959, 3 requires BAD where the server speaks first, but clients do send an initial
	 * response with AUTHENTICATE LOGIN.
	 */
	if (initial && m->server_first && s->opts->strict)
		return dialogue_answer_bad(s, NULL, "This mechanism has no initial response");
	sasl_begin(&s->sasl, m, s->certificate_user);
	return run_mechanism(s, initial);
}

