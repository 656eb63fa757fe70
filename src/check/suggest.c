/*
 * Options for a mailbox program, see suggest.h. Run by --probe. The input comes from a program
 * that a user may control, so text that a shell or a terminal could interpret is not printed.
 */

#include "check/suggest.h"

#include <stdio.h>
#include <string.h>

#include "check/finding.h"

static bool
has_word(const char *list, const char *word)
{
	const char *at;
	size_t len = strlen(word);

	for (at = list; (at = strcasestr(at, word)) != NULL; at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

/*
 * Returns whether the word can be a capability (RFC 9051, 9: atom) and is harmless to shells and
 * terminals.
 */
static bool
is_capability(const char *word)
{
	for (; *word != '\0'; word++)
		if (*word <= ' ' || *word >= 0x7f || strchr("\"\\$`", *word) != NULL)
			return false;
	return true;
}

/* Returns whether the capability is about logging in, and so useless after it. */
static bool
is_before_login(const char *word)
{
	return strncasecmp(word, "AUTH=", 5) == 0 || strcasecmp(word, "STARTTLS") == 0 || strcasecmp(word, "LOGINDISABLED") == 0;
}

/* Copies the capabilities that clients may be sent after the login. */
static void
choose_capabilities(const char *list, char chosen[PROBE_LIST_MAX])
{
	char copy[PROBE_LIST_MAX], *word, *save;

	chosen[0] = '\0';
	strcpy(copy, list);
	for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (is_before_login(word) || !is_capability(word))
			continue;
		strcat(chosen, chosen[0] != '\0' ? " " : "");
		strcat(chosen, word);
	}
}

/* With --handoff greeting the list is in the text of the tagged OK, where no client reads it. */
static bool
clients_learn(const struct probe_result *result)
{
	return result->tag && result->announced;
}

static bool
is_dovecot(const struct options *o)
{
	size_t i;

	for (i = 0; o->program[i] != NULL; i++)
		if (strstr(o->program[i], "dovecot") != NULL)
			return true;
	return false;
}

static void
warn_of_no_list(const struct options *o, const struct probe_result *result)
{
	finding_report(FINDING_WARNING, o->program[0], "%s; set %s--capability-after",
	    result->answered ? "its list of capabilities is empty" : "it does not announce its capabilities",
	    is_dovecot(o) ? "Dovecot 2.4's -o \"imap_capability=IMAP4rev1 ...\", or " : "");
}

/*
 * Returns the value of --capability that promises no more than the program supports; NULL: the
 * default is right.
 */
static const char *
capability_before(const char *list)
{
	return has_word(list, "LITERAL+") ? NULL : has_word(list, "LITERAL-") ? "LITERAL-" : "\"\"";
}

void
suggest_options(const struct options *o, const struct probe_result *result)
{
	char list[PROBE_LIST_MAX];

	choose_capabilities(result->list, list);
	puts(result->tag ? "--handoff tag" : "--handoff greeting");
	if (list[0] == '\0') {
		warn_of_no_list(o, result);
		return;
	}
	if (!clients_learn(result))
		printf("--capability-after \"%s\"\n", list);
	if (capability_before(list) != NULL)
		printf("--capability %s\n", capability_before(list));
}

void
suggest_changes(const struct options *o, const struct probe_result *result)
{
	char list[PROBE_LIST_MAX];

	choose_capabilities(result->list, list);
	if (result->tag != (o->handoff == GREETING_STYLE_TAG)) {
		finding_report(FINDING_ERROR, o->program[0], "it %s; say --handoff %s", result->tag ? "answers the client's login itself" :
		    "greets the client instead of answering the login", result->tag ? "tag" : "greeting");
		return;
	}
	if (list[0] == '\0') {
		if (o->capability_after == NULL)
			warn_of_no_list(o, result);
		return;
	}
	if (clients_learn(result) && o->capability_after != NULL)
		finding_report(FINDING_WARNING, o->program[0], "it announces its capabilities itself; remove --capability-after");
	if (!clients_learn(result) && o->capability_after == NULL)
		finding_report(FINDING_WARNING, o->program[0], "clients don't learn its capabilities; say --capability-after \"%s\"", list);
	if (capability_before(list) != NULL && has_word(o->capability, "LITERAL+"))
		finding_report(FINDING_WARNING, o->program[0], "it does not support LITERAL+, which clients are promised before the login; say --capability %s",
		    capability_before(list));
	else
		finding_report(FINDING_OK, o->program[0], "it started, and --handoff %s is what it needs", result->tag ? "tag" : "greeting");
}
