/*
 * Parses complete commands: tag, command name and arguments. quoted(), literal(), string() and
 * astring() are named after the rules of the grammar (RFC 9051, 9). Run by the gate in its sandbox,
 * on the client's input. Pure.
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
to_upper(char ch)
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
parse_number(const char **at, const char *end, size_t limit)
{
	size_t n = 0;

	for (; *at < end && is_digit(**at); (*at)++)
		if (n <= limit)
			n = n * 10 + (size_t)(**at - '0');
	return n > limit ? limit + 1 : n;
}

/* Consumes all characters of a kind up to the first other one. */
static struct command_span
span_while(struct cursor *cur, bool (*is_kind)(char))
{
	struct command_span span = { cur->at, 0 };

	while (cur->at < cur->end && is_kind(*cur->at))
		cur->at++;
	span.len = (size_t)(cur->at - span.text);
	return span;
}

static bool
take_char(struct cursor *cur, char ch)
{
	if (cur->at == cur->end || *cur->at != ch)
		return false;
	cur->at++;
	return true;
}

static void
copy_name(char name[COMMAND_NAME_MAX + 1], struct command_span span)
{
	size_t i;

	for (i = 0; i < span.len && i < COMMAND_NAME_MAX; i++)
		name[i] = to_upper(span.text[i]);
	name[i] = '\0';
}

/* Splits a command into tag, name and the rest. Returns false if it does not begin with a tag. */
static bool
split_command(const struct command *c, struct command_span *tag, struct command_span *name, struct cursor *rest)
{
	struct cursor cur = { c->text, c->text + c->len };

	*tag = span_while(&cur, is_tag_char);
	if (tag->len == 0 || tag->len > COMMAND_TAG_MAX || cur.at == cur.end)
		return false;
	if (*cur.at != '\n' && !take_char(&cur, ' '))
		return false;
	*name = span_while(&cur, is_atom_char);
	*rest = cur;
	return true;
}

bool
command_tag(const struct command *c, char tag[COMMAND_TAG_MAX + 1])
{
	struct command_span span, name;
	struct cursor rest;

	if (!split_command(c, &span, &name, &rest))
		return false;
	memcpy(tag, span.text, span.len);
	tag[span.len] = '\0';
	return true;
}

bool
command_is_tag(const char *tag)
{
	struct cursor cur = { tag, tag + strlen(tag) };
	struct command_span span = span_while(&cur, is_tag_char);

	return span.len > 0 && span.len <= COMMAND_TAG_MAX && cur.at == cur.end;
}

bool
command_name(const struct command *c, char name[COMMAND_NAME_MAX + 1])
{
	struct command_span tag, span;
	struct cursor rest;

	if (!split_command(c, &tag, &span, &rest) || span.len == 0)
		return false;
	copy_name(name, span);
	return true;
}

static struct cursor
skip_to_arguments(const struct command *c)
{
	struct command_span tag, name;
	struct cursor rest = { NULL, NULL };

	split_command(c, &tag, &name, &rest);
	return rest;
}

/*
 * Expects the end of the command. Some clients send a space before it, which only a strict parser
 * refuses.
 */
static enum command_outcome
expect_end(const struct command *c, struct cursor *cur)
{
	while (!c->strict && take_char(cur, ' '))
		;
	return take_char(cur, '\n') && cur->at == cur->end ? COMMAND_GOOD : COMMAND_BAD;
}

static void
append_char(struct command_string *s, char ch)
{
	if (s->len < COMMAND_STRING_MAX)
		s->text[s->len] = ch;
	s->len++;
}

static void
terminate_string(struct command_string *s)
{
	s->text[s->len < COMMAND_STRING_MAX ? s->len : COMMAND_STRING_MAX] = '\0';
}

/*
 * Parses "quoted" (RFC 9051, 9), with any 8-bit octets: IMAP4rev2 allows UTF-8, and IMAP4rev1
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
		append_char(s, ch);
	}
}

/* Parses "literal" (RFC 9051, 9; RFC 7888, 3) as stored by command_feed(); NUL is excluded. */
static enum command_outcome
literal(struct cursor *cur, struct command_string *s)
{
	const char *digits = cur->at;
	size_t octets = parse_number(&cur->at, cur->end, COMMAND_LITERAL_MAX);

	if (cur->at == digits || octets > COMMAND_LITERAL_MAX)
		return COMMAND_BAD;
	take_char(cur, '+');
	if (!take_char(cur, '}') || !take_char(cur, '\n'))
		return COMMAND_BAD;
	/* A complete command has a line end after the literal. */
	if ((size_t)(cur->end - cur->at) < octets + 1)
		return COMMAND_UNFINISHED;
	if (memchr(cur->at, '\0', octets) != NULL)
		return COMMAND_BAD;
	while (octets-- > 0)
		append_char(s, *cur->at++);
	return COMMAND_GOOD;
}

/* Parses "string" (RFC 9051, 9): quoted or literal. */
static enum command_outcome
string(struct cursor *cur, struct command_string *s)
{
	enum command_outcome outcome = COMMAND_BAD;

	s->len = 0;
	if (take_char(cur, '"'))
		outcome = quoted(cur, s);
	else if (take_char(cur, '{'))
		outcome = literal(cur, s);
	terminate_string(s);
	return outcome;
}

/* Parses "astring" (RFC 9051, 9). NIL is an ordinary atom here. */
static enum command_outcome
astring(struct cursor *cur, struct command_string *s)
{
	struct command_span atom = span_while(cur, is_astring_char);
	size_t i;

	if (atom.len == 0)
		return string(cur, s);
	s->len = 0;
	for (i = 0; i < atom.len; i++)
		append_char(s, atom.text[i]);
	terminate_string(s);
	return COMMAND_GOOD;
}

enum command_outcome
command_no_arguments(const struct command *c)
{
	struct cursor cur = skip_to_arguments(c);

	return expect_end(c, &cur);
}

enum command_outcome
command_login(const struct command *c, struct command_string *user, struct command_string *password)
{
	struct cursor cur = skip_to_arguments(c);
	enum command_outcome outcome;

	if (!take_char(&cur, ' '))
		return COMMAND_BAD;
	outcome = astring(&cur, user);
	if (outcome != COMMAND_GOOD)
		return outcome;
	if (!take_char(&cur, ' '))
		return COMMAND_BAD;
	outcome = astring(&cur, password);
	if (outcome != COMMAND_GOOD)
		return outcome;
	return expect_end(c, &cur);
}

static bool
is_graphic(char ch)
{
	return ch > ' ' && ch < 0x7f;
}

enum command_outcome
command_authenticate(const struct command *c, char mechanism[COMMAND_NAME_MAX + 1], struct command_span *initial_response)
{
	struct cursor cur = skip_to_arguments(c);
	struct command_span name;

	initial_response->text = NULL;
	initial_response->len = 0;
	if (!take_char(&cur, ' '))
		return COMMAND_BAD;
	name = span_while(&cur, is_atom_char);
	if (name.len == 0)
		return COMMAND_BAD;
	copy_name(mechanism, name);

	if (take_char(&cur, ' ')) {
		struct command_span base64 = span_while(&cur, is_graphic);

		if (base64.len > 0)
			*initial_response = base64;
		else if (c->strict)
			return COMMAND_BAD;
	}
	return expect_end(c, &cur);
}

/*
 * Parses one pair of an ID list. seen has the names of the pairs before this one, as many as pairs
 * says; a name must not be repeated (RFC 2971, 3.3).
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

	if (!take_char(cur, ' '))
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
	struct cursor cur = skip_to_arguments(c);
	char seen[ID_PAIRS_MAX][ID_NAME_MAX + 1];
	enum command_outcome outcome;
	size_t pairs = 0;

	if (!take_char(&cur, ' '))
		return COMMAND_BAD;
	if (cur.end - cur.at >= 3 && strncasecmp(cur.at, "NIL", 3) == 0) {
		cur.at += 3;
		return expect_end(c, &cur);
	}
	if (!take_char(&cur, '('))
		return COMMAND_BAD;
	while (!take_char(&cur, ')')) {
		if (pairs > 0 && !take_char(&cur, ' '))
			return COMMAND_BAD;
		outcome = id_pair(&cur, seen, pairs++);
		if (outcome != COMMAND_GOOD)
			return outcome;
	}
	return expect_end(c, &cur);
}
