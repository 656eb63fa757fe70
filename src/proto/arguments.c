/*
 * Parsing of complete commands: tag, command name and arguments, by the grammar of RFC 9051, 9,
 * whose names the functions have. Run by the gate in its sandbox, on the client's input. Pure.
 */

#include <string.h>
#include <strings.h>

#include "proto/command.h"

/* Limits of RFC 2971, 3.3. */
#define ID_PAIRS_MAX	30
#define ID_NAME_MAX	30
#define ID_VALUE_MAX	1024

struct cursor {
	const char	*at;
	const char	*end;
};

static bool
is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static char
upper(char ch)
{
	return ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
}

/* ATOM-CHAR of RFC 9051, 9. */
static bool
is_atom_char(char ch)
{
	return ch > ' ' && ch < 0x7f && strchr("(){%*\"\\]", ch) == NULL;
}

static bool
is_astring_char(char ch)
{
	return is_atom_char(ch) || ch == ']';
}

static bool
is_tag_char(char ch)
{
	return is_astring_char(ch) && ch != '+';
}

/* Parses digits. Returns limit + 1 for every number above the limit, so nothing can overflow. */
static size_t
number(const char **at, const char *end, size_t limit)
{
	size_t n = 0;

	for (; *at < end && is_digit(**at); (*at)++)
		if (n <= limit)
			n = n * 10 + (size_t)(**at - '0');
	return n > limit ? limit + 1 : n;
}

/* Consumes all characters of a kind up to the first other one. */
static struct command_span
run(struct cursor *cur, bool (*is_kind)(char))
{
	struct command_span span = { cur->at, 0 };

	while (cur->at < cur->end && is_kind(*cur->at))
		cur->at++;
	span.len = (size_t)(cur->at - span.text);
	return span;
}

static bool
take(struct cursor *cur, char ch)
{
	if (cur->at == cur->end || *cur->at != ch)
		return false;
	cur->at++;
	return true;
}

static void
copy_word(char word[COMMAND_WORD_MAX + 1], struct command_span span)
{
	size_t i;

	for (i = 0; i < span.len && i < COMMAND_WORD_MAX; i++)
		word[i] = upper(span.text[i]);
	word[i] = '\0';
}

/* Splits a command into tag, name and the rest. Returns false if it does not begin with a tag. */
static bool
split(const struct command *c, struct command_span *tag, struct command_span *word, struct cursor *rest)
{
	struct cursor cur = { c->text, c->text + c->len };

	*tag = run(&cur, is_tag_char);
	if (tag->len == 0 || tag->len > COMMAND_TAG_MAX || cur.at == cur.end)
		return false;
	if (*cur.at != '\n' && !take(&cur, ' '))
		return false;
	*word = run(&cur, is_atom_char);
	*rest = cur;
	return true;
}

bool
command_tag(const struct command *c, char tag[COMMAND_TAG_MAX + 1])
{
	struct command_span span, word;
	struct cursor rest;

	if (!split(c, &span, &word, &rest))
		return false;
	memcpy(tag, span.text, span.len);
	tag[span.len] = '\0';
	return true;
}

bool
command_is_tag(const char *tag)
{
	struct cursor cur = { tag, tag + strlen(tag) };
	struct command_span span = run(&cur, is_tag_char);

	return span.len > 0 && span.len <= COMMAND_TAG_MAX && cur.at == cur.end;
}

bool
command_word(const struct command *c, char word[COMMAND_WORD_MAX + 1])
{
	struct command_span tag, span;
	struct cursor rest;

	if (!split(c, &tag, &span, &rest) || span.len == 0)
		return false;
	copy_word(word, span);
	return true;
}

static struct cursor
arguments(const struct command *c)
{
	struct command_span tag, word;
	struct cursor rest = { NULL, NULL };

	split(c, &tag, &word, &rest);
	return rest;
}

/*
 * Checks for the end of the command. Some clients send a space before the end, which is refused
 * with strict only.
 */
static enum command_outcome
end(const struct command *c, struct cursor *cur)
{
	while (!c->strict && take(cur, ' '))
		;
	return take(cur, '\n') && cur->at == cur->end ? COMMAND_GOOD : COMMAND_BAD;
}

static void
put(struct command_string *s, char ch)
{
	if (s->len < COMMAND_STRING_MAX)
		s->text[s->len] = ch;
	s->len++;
}

static void
terminate(struct command_string *s)
{
	s->text[s->len < COMMAND_STRING_MAX ? s->len : COMMAND_STRING_MAX] = '\0';
}

/*
 * Parses quoted of RFC 9051, 9, with any 8-bit octets: IMAP4rev2 allows UTF-8, and IMAP4rev1
 * clients send it.
 */
static enum command_outcome
quoted(struct cursor *cur, struct command_string *s)
{
	char ch;

	for (;;) {
		if (cur->at == cur->end)
			return COMMAND_BAD;
		ch = *cur->at++;
		if (ch == '"')
			return COMMAND_GOOD;
		if (ch == '\r' || ch == '\n' || ch == '\0')
			return COMMAND_BAD;
		if (ch == '\\') {
			ch = cur->at < cur->end ? *cur->at++ : '\0';
			if (ch != '"' && ch != '\\')
				return COMMAND_BAD;
		}
		put(s, ch);
	}
}

/* Parses literal of RFC 9051, 9 and RFC 7888, 3 as stored by command_feed(); NUL is excluded. */
static enum command_outcome
literal(struct cursor *cur, struct command_string *s)
{
	const char *digits = cur->at;
	size_t octets = number(&cur->at, cur->end, COMMAND_LITERAL_MAX);

	if (cur->at == digits || octets > COMMAND_LITERAL_MAX)
		return COMMAND_BAD;
	take(cur, '+');
	if (!take(cur, '}') || !take(cur, '\n'))
		return COMMAND_BAD;
	/* A complete command has a line end after the literal. */
	if ((size_t)(cur->end - cur->at) < octets + 1)
		return COMMAND_UNFINISHED;
	if (memchr(cur->at, '\0', octets) != NULL)
		return COMMAND_BAD;
	while (octets-- > 0)
		put(s, *cur->at++);
	return COMMAND_GOOD;
}

/* Parses string of RFC 9051, 9: quoted or literal. */
static enum command_outcome
string(struct cursor *cur, struct command_string *s)
{
	enum command_outcome outcome = COMMAND_BAD;

	s->len = 0;
	if (take(cur, '"'))
		outcome = quoted(cur, s);
	else if (take(cur, '{'))
		outcome = literal(cur, s);
	terminate(s);
	return outcome;
}

/* Parses astring of RFC 9051, 9. NIL is an ordinary atom here. */
static enum command_outcome
astring(struct cursor *cur, struct command_string *s)
{
	struct command_span atom = run(cur, is_astring_char);
	size_t i;

	if (atom.len == 0)
		return string(cur, s);
	s->len = 0;
	for (i = 0; i < atom.len; i++)
		put(s, atom.text[i]);
	terminate(s);
	return COMMAND_GOOD;
}

enum command_outcome
command_nothing(const struct command *c)
{
	struct cursor cur = arguments(c);

	return end(c, &cur);
}

enum command_outcome
command_login(const struct command *c, struct command_string *user, struct command_string *password)
{
	struct cursor cur = arguments(c);
	enum command_outcome outcome;

	if (!take(&cur, ' '))
		return COMMAND_BAD;
	outcome = astring(&cur, user);
	if (outcome != COMMAND_GOOD)
		return outcome;
	if (!take(&cur, ' '))
		return COMMAND_BAD;
	outcome = astring(&cur, password);
	if (outcome != COMMAND_GOOD)
		return outcome;
	return end(c, &cur);
}

static bool
is_printable(char ch)
{
	return ch > ' ' && ch < 0x7f;
}

enum command_outcome
command_authenticate(const struct command *c, char mechanism[COMMAND_WORD_MAX + 1], struct command_span *initial)
{
	struct cursor cur = arguments(c);
	struct command_span name;

	initial->text = NULL;
	initial->len = 0;
	if (!take(&cur, ' '))
		return COMMAND_BAD;
	name = run(&cur, is_atom_char);
	if (name.len == 0)
		return COMMAND_BAD;
	copy_word(mechanism, name);

	if (take(&cur, ' ')) {
		struct command_span base64 = run(&cur, is_printable);

		if (base64.len > 0)
			*initial = base64;
		else if (c->strict)
			return COMMAND_BAD;
	}
	return end(c, &cur);
}

/*
 * Parses one pair of an ID list. seen: names of earlier pairs, none of which may be repeated (RFC
 * 2971, 3.3).
 */
static enum command_outcome
id_pair(struct cursor *cur, char seen[][ID_NAME_MAX + 1], size_t pairs)
{
	struct command_string s;
	enum command_outcome outcome = string(cur, &s);
	size_t i;

	if (outcome != COMMAND_GOOD)
		return outcome;
	if (s.len > ID_NAME_MAX || pairs == ID_PAIRS_MAX)
		return COMMAND_BAD;
	for (i = 0; i < pairs; i++)
		if (strcasecmp(seen[i], s.text) == 0)
			return COMMAND_BAD;
	memcpy(seen[pairs], s.text, s.len + 1);

	if (!take(cur, ' '))
		return COMMAND_BAD;
	if (cur->end - cur->at >= 3 && strncasecmp(cur->at, "NIL", 3) == 0) {
		cur->at += 3;
		return COMMAND_GOOD;
	}
	outcome = string(cur, &s);
	return outcome == COMMAND_GOOD && s.len > ID_VALUE_MAX ? COMMAND_BAD : outcome;
}

enum command_outcome
command_id(const struct command *c)
{
	struct cursor cur = arguments(c);
	char seen[ID_PAIRS_MAX][ID_NAME_MAX + 1];
	enum command_outcome outcome;
	size_t pairs = 0;

	if (!take(&cur, ' '))
		return COMMAND_BAD;
	if (cur.end - cur.at >= 3 && strncasecmp(cur.at, "NIL", 3) == 0) {
		cur.at += 3;
		return end(c, &cur);
	}
	if (!take(&cur, '('))
		return COMMAND_BAD;
	while (!take(&cur, ')')) {
		if (pairs > 0 && !take(&cur, ' '))
			return COMMAND_BAD;
		outcome = id_pair(&cur, seen, pairs++);
		if (outcome != COMMAND_GOOD)
			return outcome;
	}
	return end(c, &cur);
}
