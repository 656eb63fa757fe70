/*
 * The options that a mailbox program needs, see suggest.h. All of its words
 * are a user's program's, so none is printed that a shell or a terminal would
 * take for something else.
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

/* Is this a word that a capability can be (RFC 9051, 9: atom), and that means nothing to a shell or a terminal? */
static bool
is_capability(const char *word)
{
	for (; *word != '\0'; word++)
		if (*word <= ' ' || *word >= 0x7f || strchr("\"\\$`", *word) != NULL)
			return false;
	return true;
}

/* Is it about logging in? Behind the login it means nothing. */
static bool
is_before_login(const char *word)
{
	return strncasecmp(word, "AUTH=", 5) == 0 || strcasecmp(word, "STARTTLS") == 0 || strcasecmp(word, "LOGINDISABLED") == 0;
}

/* Takes from the program's list what clients that are logged in may be told. */
static void
choose(const char *list, char chosen[PROBE_LIST_MAX])
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

/* A greeting becomes the text of the tagged OK, where no client looks for a list. */
static bool
clients_learn(const struct probe_words *w)
{
	return w->tag && w->announced;
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
warn_of_no_list(const struct options *o, const struct probe_words *w)
{
	finding_report(FINDING_WARNING, o->program[0], "%s; set %s--capability-after",
	    w->answered ? "its list of capabilities is empty" : "it does not say what it can do",
	    is_dovecot(o) ? "Dovecot 2.4's -o \"imap_capability=IMAP4rev1 ...\", or " : "");
}

/* The value of --capability that promises no more than the program keeps; NULL if the default does. */
static const char *
capability_before(const char *list)
{
	return has_word(list, "LITERAL+") ? NULL : has_word(list, "LITERAL-") ? "LITERAL-" : "\"\"";
}

void
suggest_options(const struct options *o, const struct probe_words *w)
{
	char list[PROBE_LIST_MAX];

	choose(w->list, list);
	puts(w->tag ? "--handoff tag" : "--handoff greeting");
	if (list[0] == '\0') {
		warn_of_no_list(o, w);
		return;
	}
	if (!clients_learn(w))
		printf("--capability-after \"%s\"\n", list);
	if (capability_before(list) != NULL)
		printf("--capability %s\n", capability_before(list));
}

void
suggest_changes(const struct options *o, const struct probe_words *w)
{
	char list[PROBE_LIST_MAX];

	choose(w->list, list);
	if (w->tag != (o->handoff == GREETING_STYLE_TAG)) {
		finding_report(FINDING_ERROR, o->program[0], "it %s; say --handoff %s", w->tag ? "answers the client's login itself" :
		    "greets, and answers no login", w->tag ? "tag" : "greeting");
		return;
	}
	if (list[0] == '\0') {
		if (o->capability_after == NULL)
			warn_of_no_list(o, w);
		return;
	}
	if (clients_learn(w) && o->capability_after != NULL)
		finding_report(FINDING_WARNING, o->program[0], "it says by itself what it can do; leave --capability-after away");
	if (!clients_learn(w) && o->capability_after == NULL)
		finding_report(FINDING_WARNING, o->program[0], "clients don't learn what it can do; say --capability-after \"%s\"", list);
	if (capability_before(list) != NULL && has_word(o->capability, "LITERAL+"))
		finding_report(FINDING_WARNING, o->program[0], "it takes no LITERAL+, which clients are promised before the login; say --capability %s",
		    capability_before(list));
	else
		finding_report(FINDING_OK, o->program[0], "it started, and --handoff %s is what it needs", w->tag ? "tag" : "greeting");
}
