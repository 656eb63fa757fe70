/*
 * IMAP's Not Authenticated state, see imap.h. Run by the gate in its sandbox; reads from the
 * network.
 *
 * The table verbs lists every command. For a command that is complete or waits for a literal,
 * parse checks the arguments and permission checks the state. Only if both permit is a literal
 * invited, or run called. The capability list is made from the same permission functions, so it
 * has exactly the commands and mechanisms that would be accepted.
 */

#include "gate/imap.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gate/ask.h"
#include "gate/login.h"
#include "tls/tls.h"

/* Permissions of commands to run now. Capabilities are advertised by the same functions. */

static enum permission
always_permitted(const struct imap *s)
{
	(void)s;
	return PERMITTED;
}

/* RFC 9051, 6.2.1 requires BAD under TLS. */
static enum permission
starttls_permission(const struct imap *s)
{
	if (dialogue_has_tls(s) || s->peer->kind == PEER_TLS || (s->opts->n_cert == 0 && !s->by_superserver))
		return DENIED_STATE;
	return s->by_superserver || s->tls->possible ? PERMITTED : DENIED_UNAVAILABLE;
}

/* Appends a space, prefix and word to a list of size octets, cut if there is no room. */
static void
add_word(char *list, size_t size, const char *prefix, const char *word)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, " %s%s", prefix, word);
}

static void
list_capabilities(const struct imap *s, char *list, size_t size)
{
	const struct sasl_mechanism *m;

	snprintf(list, size, "CAPABILITY IMAP4rev1 SASL-IR");
	if (s->opts->capability[0] != '\0')
		add_word(list, size, "", s->opts->capability);
	add_word(list, size, "", "ID");
	if (starttls_permission(s) == PERMITTED)
		add_word(list, size, "", "STARTTLS");
	if (login_password_permission(s) != PERMITTED)
		add_word(list, size, "", "LOGINDISABLED");
	for (m = sasl_mechanisms; m->name != NULL; m++)
		if (login_permission(s, m) == PERMITTED)
			add_word(list, size, "AUTH=", m->name);
}

/* Commands: their parse and run functions. */

static enum command_outcome
parse_nothing(struct imap *s)
{
	return command_no_arguments(&s->command);
}

static enum command_outcome
parse_id(struct imap *s)
{
	return command_id(&s->command);
}

static enum command_outcome
parse_login(struct imap *s)
{
	return command_login(&s->command, &s->user, &s->password);
}

static enum command_outcome
parse_authenticate(struct imap *s)
{
	return command_authenticate(&s->command, s->mechanism, &s->response);
}

static enum next
do_capability(struct imap *s)
{
	char list[1024];

	list_capabilities(s, list, sizeof(list));
	reply_data(&s->reply, list);
	return dialogue_answer(s, "OK", NULL, "Capability completed");
}

static enum next
do_noop(struct imap *s)
{
	return dialogue_answer(s, "OK", NULL, "NOOP completed");
}

static enum next
do_logout(struct imap *s)
{
	reply_data(&s->reply, "BYE Logging out");
	dialogue_answer(s, "OK", NULL, "Logout completed");
	dialogue_finish(s, REASON_LOGOUT, NULL);
}

/* RFC 2971. The client's parameters are parsed, but not kept. */
static enum next
do_id(struct imap *s)
{
	reply_data(&s->reply, "ID (\"name\" \"imapgate\")");
	return dialogue_answer(s, "OK", NULL, "ID completed");
}

/* RFC 9051, 6.2.1. OK is sent only after certificates and keys were found to be usable. */
static enum next
do_starttls(struct imap *s)
{
	const char *error;

	error = s->by_superserver ? NULL : tls_prepare(s->tls);
	if (error != NULL) {
		ask_log_tls_failure(error);
		return dialogue_answer(s, "NO", "UNAVAILABLE", "TLS is not possible at the moment");
	}
	dialogue_answer(s, "OK", NULL, "Begin TLS negotiation now");
	return NEXT_STARTTLS;
}

static const struct verb {
	const char		*name;
	enum command_outcome	(*parse)(struct imap *);
	enum permission		(*permission)(const struct imap *);
	enum next		(*run)(struct imap *);
} verbs[] = {
	{ "CAPABILITY",		parse_nothing,		always_permitted,		do_capability },
	{ "NOOP",		parse_nothing,		always_permitted,		do_noop },
	{ "LOGOUT",		parse_nothing,		always_permitted,		do_logout },
	{ "ID",			parse_id,		always_permitted,		do_id },
	{ "STARTTLS",		parse_nothing,		starttls_permission,		do_starttls },
	{ "LOGIN",		parse_login,		login_password_permission,	login_command },
	{ "AUTHENTICATE",	parse_authenticate,	always_permitted,		login_authenticate },
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

/*
 * Finds the command's row and checks its arguments and permission. waiting: a literal is announced.
 * Returns NULL, with the reply appended, if the command must not run.
 */
static const struct verb *
check_command(struct imap *s, bool waiting)
{
	char name[COMMAND_NAME_MAX + 1] = "";
	const struct verb *verb;
	enum command_outcome outcome;
	enum permission permission;

	if (s->tag[0] == '\0') {
		dialogue_answer_bad(s, NULL, "A command begins with a tag");
		return NULL;
	}
	command_name(&s->command, name);
	verb = find_verb(name);
	if (verb == NULL) {
		if (find_verb(s->tag) != NULL)
			dialogue_answer_bad(s, "CLIENTBUG", "Unknown command; is the tag missing?");
		else
			dialogue_answer_bad(s, NULL, "Unknown command, or not before login");
		return NULL;
	}
	outcome = verb->parse(s);
	if (outcome != (waiting ? COMMAND_UNFINISHED : COMMAND_GOOD)) {
		dialogue_answer_bad(s, NULL, "Syntax error in arguments");
		return NULL;
	}
	permission = verb->permission(s);
	/* LOGIN is the only row that returns DENIED_PRIVACY. */
	if (permission == DENIED_PRIVACY)
		login_report_refused(s, !waiting);
	if (permission != PERMITTED) {
		dialogue_deny(s, permission);
		return NULL;
	}
	return verb;
}

enum next
imap_command(struct imap *s)
{
	const struct verb *verb = NULL;
	enum command_event event;

	command_reset(&s->command);
	for (;;) {
		event = dialogue_receive(s);
		if (event != COMMAND_LITERAL)
			break;
		if (!command_tag(&s->command, s->tag))
			s->tag[0] = '\0';
		if (check_command(s, true) == NULL) {
			s->commands++;
			return NEXT_COMMAND;
		}
		reply_continue(&s->reply, "OK");
		dialogue_flush(s);
	}
	s->commands++;
	if (!command_tag(&s->command, s->tag))
		s->tag[0] = '\0';
	if (event == COMMAND_TOO_LONG)
		return dialogue_answer_bad(s, NULL, "Command line too long");
	if (event == COMMAND_LITERAL_BIG)
		return dialogue_answer_bad(s, NULL, "Literal too big");
	verb = check_command(s, false);
	return verb != NULL ? verb->run(s) : NEXT_COMMAND;
}

void
imap_greet(struct imap *s)
{
	char list[1024];

	list_capabilities(s, list, sizeof(list));
	reply_line(&s->reply, "*", "OK", list, "imapgate ready");
	dialogue_flush(s);
}
