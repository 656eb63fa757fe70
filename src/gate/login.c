/*
 * Logging in, see login.h. Run by the gate, which holds a password from the
 * moment it was read until the monitor has been asked, and then wipes it.
 */

#include "gate/login.h"

#include <string.h>

#include "gate/ask.h"
#include "log.h"

/* Sends the challenge and receives a response into the command. False if the client gave up or sent what is none. */
static bool
challenge(struct session *s, const char *text)
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
	if (a->text[0] != '\0' && dialogue_is_private(s))
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
		dialogue_answer(s, "NO", "UNAVAILABLE", outcomes[OUTCOME_UNAVAILABLE].text);
		dialogue_finish(s, REASON_MONITOR_SLOW, "BYE Please try again later");
	}
	show_alert(s, &a);
	if (a.outcome == OUTCOME_OK)
		return NEXT_HANDOFF;
	if (a.outcome >= sizeof(outcomes) / sizeof(outcomes[0]) || outcomes[a.outcome].code == NULL)
		bug("unknown outcome %u", a.outcome);
	dialogue_answer(s, "NO", outcomes[a.outcome].code, outcomes[a.outcome].text);
	if (a.last)
		dialogue_finish(s, REASON_ATTEMPTS, "BYE Too many failed logins");
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
			return dialogue_answer_bad(s, NULL, "Invalid base64");
		next = sasl_step(&s->sasl, s->message, len);
		explicit_bzero(s->message, len);
		initial = false;
	} while (next == SASL_MORE);
	return authenticate(s, (enum msg_mechanism)s->sasl.mechanism->id);
}

enum next
login_command(struct session *s)
{
	sasl_login(&s->sasl.credentials, s->user.text, s->user.len, s->password.text, s->password.len);
	explicit_bzero(&s->password, sizeof(s->password));
	command_reset(&s->command);
	return authenticate(s, MECH_LOGIN_COMMAND);
}

enum next
login_authenticate(struct session *s)
{
	const struct sasl_mechanism *m = sasl_find(s->mechanism);
	bool initial = s->initial.text != NULL;

	if (m == NULL)
		return dialogue_answer(s, "NO", NULL, "Unsupported authentication mechanism");
	/* RFC 4959, 3 wants BAD where the server speaks first, but clients answer LOGIN's first question unasked. */
	if (initial && m->server_first && s->opts->strict)
		return dialogue_answer_bad(s, NULL, "This mechanism has no initial response");
	sasl_begin(&s->sasl, m);
	return exchange(s, initial);
}

