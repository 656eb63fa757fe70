/*
 * The IMAP command parser: pure, fed in any slices, with one fixed buffer.
 *
 * It works in two steps. command_feed puts lines and literals together until
 * a command is complete, knowing nothing of IMAP but line ends and "{n}";
 * so a command that is refused is left behind as exactly as one that is
 * obeyed, and its literals can't be taken for commands (RFC 7888, 3). The
 * functions below it then read the arguments of a complete command, or of
 * one that waits for a literal to be invited.
 */

#include "proto/command.h"

#include <string.h>
#include <strings.h>

/* RFC 2971, 3.3. */
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

static void
wipe(struct command *c, bool response)
{
	explicit_bzero(c->text, c->len);
	c->len = 0;
	c->line = 0;
	c->literal_left = 0;
	c->announcement.brace = BRACE_NONE;
	c->too_long = false;
	c->response = response;
}

void
command_reset(struct command *c)
{
	wipe(c, false);
}

void
command_reset_response(struct command *c)
{
	wipe(c, true);
}

/* Keeps what there is room for. Of a command that is too long the beginning is enough: the tag for its answer. */
static void
append(struct command *c, const char *bytes, size_t len)
{
	size_t room = sizeof(c->text) - c->len;

	if (len > room) {
		c->too_long = true;
		len = room;
	}
	memcpy(c->text + c->len, bytes, len);
	c->len += len;
}

/* Reads digits; what is over the limit becomes limit + 1, so nothing can wrap. */
static size_t
number(const char **at, const char *end, size_t limit)
{
	size_t n = 0;

	for (; *at < end && is_digit(**at); (*at)++)
		if (n <= limit)
			n = n * 10 + (size_t)(**at - '0');
	return n > limit ? limit + 1 : n;
}

/*
 * Follows a line: does its end announce a literal? RFC 7888, 3: the end of
 * every line has to be looked at, also of one that is wrong or too long.
 */
static void
follow(struct command_announcement *a, const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char ch = line[i];

		if (ch == '{') {
			a->brace = BRACE_OPEN;
			a->octets = 0;
		} else if (is_digit(ch) && (a->brace == BRACE_OPEN || a->brace == BRACE_DIGITS)) {
			a->brace = BRACE_DIGITS;
			if (a->octets <= COMMAND_LITERAL_MAX)
				a->octets = a->octets * 10 + (size_t)(ch - '0');
		} else if (ch == '+' && a->brace == BRACE_DIGITS) {
			a->brace = BRACE_PLUS;
		} else if (ch == '}' && (a->brace == BRACE_DIGITS || a->brace == BRACE_PLUS)) {
			a->synchronizing = a->brace == BRACE_DIGITS;
			a->brace = BRACE_CLOSED;
		} else if (ch == '\r' && a->brace == BRACE_CLOSED) {
			a->brace = BRACE_CR;
		} else {
			a->brace = BRACE_NONE;
		}
	}
}

/* Makes LF alone the line's end: a CR before it goes, if it is of this line and not of a literal. */
static void
trim_line_end(struct command *c)
{
	if (c->too_long || c->len - c->line < 2 || c->text[c->len - 2] != '\r')
		return;
	c->text[c->len - 2] = '\n';
	c->text[--c->len] = '\0';
}

static enum command_event
end_of_line(struct command *c)
{
	struct command_announcement a = c->announcement;
	enum command_event complete = c->too_long ? COMMAND_TOO_LONG : COMMAND_READY;

	trim_line_end(c);
	c->announcement.brace = BRACE_NONE;
	c->line = c->len;
	if (c->response || (a.brace != BRACE_CLOSED && a.brace != BRACE_CR) || (a.synchronizing && c->too_long))
		return complete;
	if (a.octets > COMMAND_LITERAL_MAX)
		return a.synchronizing ? COMMAND_LITERAL_BIG : COMMAND_FLOOD;
	c->literal_left = a.octets;
	return a.synchronizing ? COMMAND_LITERAL : COMMAND_MORE;
}

static size_t
take_line(struct command *c, const char *bytes, size_t len, enum command_event *event)
{
	const char *lf = memchr(bytes, '\n', len);
	size_t n = lf != NULL ? (size_t)(lf - bytes) + 1 : len;

	append(c, bytes, n);
	follow(&c->announcement, bytes, lf != NULL ? n - 1 : n);
	if (lf != NULL)
		*event = end_of_line(c);
	return n;
}

static size_t
take_literal(struct command *c, const char *bytes, size_t len)
{
	size_t n = len < c->literal_left ? len : c->literal_left;

	append(c, bytes, n);
	c->literal_left -= n;
	if (c->literal_left == 0)
		c->line = c->len;
	return n;
}

enum command_event
command_feed(struct command *c, const char *bytes, size_t len, size_t *used)
{
	enum command_event event = COMMAND_MORE;
	size_t at = 0;

	while (at < len && event == COMMAND_MORE) {
		if (c->literal_left > 0)
			at += take_literal(c, bytes + at, len - at);
		else
			at += take_line(c, bytes + at, len - at, &event);
	}
	*used = at;
	return event;
}

/* Takes the longest run of characters of a kind. */
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

/* Splits a command into tag, word and what follows. False if the line does not begin with a tag. */
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

struct command_span
command_response(const struct command *c)
{
	struct command_span span = { c->text, c->len > 0 ? c->len - 1 : 0 };

	return span;
}

static struct cursor
arguments(const struct command *c)
{
	struct command_span tag, word;
	struct cursor rest = { NULL, NULL };

	split(c, &tag, &word, &rest);
	return rest;
}

/* Is this the end of the command? Real clients leave a space there; only strict minds. */
static enum command_verdict
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

/* quoted of RFC 9051, 9; any 8-bit octets, as rev2 and many rev1 clients send UTF-8. */
static enum command_verdict
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

/* literal of RFC 9051, 9 and RFC 7888, 3, as command_feed has stored it; CHAR8 is anything but NUL. */
static enum command_verdict
literal(struct cursor *cur, struct command_string *s)
{
	const char *digits = cur->at;
	size_t octets = number(&cur->at, cur->end, COMMAND_LITERAL_MAX);

	if (cur->at == digits || octets > COMMAND_LITERAL_MAX)
		return COMMAND_BAD;
	take(cur, '+');
	if (!take(cur, '}') || !take(cur, '\n'))
		return COMMAND_BAD;
	/* A complete command has a line end behind the literal. */
	if ((size_t)(cur->end - cur->at) < octets + 1)
		return COMMAND_UNFINISHED;
	if (memchr(cur->at, '\0', octets) != NULL)
		return COMMAND_BAD;
	while (octets-- > 0)
		put(s, *cur->at++);
	return COMMAND_GOOD;
}

/* string of RFC 9051, 9: quoted or literal. */
static enum command_verdict
string(struct cursor *cur, struct command_string *s)
{
	enum command_verdict verdict = COMMAND_BAD;

	s->len = 0;
	if (take(cur, '"'))
		verdict = quoted(cur, s);
	else if (take(cur, '{'))
		verdict = literal(cur, s);
	terminate(s);
	return verdict;
}

/* astring of RFC 9051, 9. NIL is no more than three letters here. */
static enum command_verdict
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

enum command_verdict
command_nothing(const struct command *c)
{
	struct cursor cur = arguments(c);

	return end(c, &cur);
}

enum command_verdict
command_login(const struct command *c, struct command_string *user, struct command_string *password)
{
	struct cursor cur = arguments(c);
	enum command_verdict verdict;

	if (!take(&cur, ' '))
		return COMMAND_BAD;
	verdict = astring(&cur, user);
	if (verdict != COMMAND_GOOD)
		return verdict;
	if (!take(&cur, ' '))
		return COMMAND_BAD;
	verdict = astring(&cur, password);
	if (verdict != COMMAND_GOOD)
		return verdict;
	return end(c, &cur);
}

static bool
is_printable(char ch)
{
	return ch > ' ' && ch < 0x7f;
}

enum command_verdict
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

/* One pair of an ID list; names so far are kept in seen, since none may come twice (RFC 2971, 3.3). */
static enum command_verdict
id_pair(struct cursor *cur, char seen[][ID_NAME_MAX + 1], size_t pairs)
{
	struct command_string s;
	enum command_verdict verdict = string(cur, &s);
	size_t i;

	if (verdict != COMMAND_GOOD)
		return verdict;
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
	verdict = string(cur, &s);
	return verdict == COMMAND_GOOD && s.len > ID_VALUE_MAX ? COMMAND_BAD : verdict;
}

enum command_verdict
command_id(const struct command *c)
{
	struct cursor cur = arguments(c);
	char seen[ID_PAIRS_MAX][ID_NAME_MAX + 1];
	enum command_verdict verdict;
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
		verdict = id_pair(&cur, seen, pairs++);
		if (verdict != COMMAND_GOOD)
			return verdict;
	}
	return end(c, &cur);
}

bool
command_is_foreign(const struct command *c)
{
	/* What browsers, scanners and relays begin with. As tags they would be legal, but no IMAP client uses them. */
	static const char *const openings[] = {
		"GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS ", "CONNECT ", "TRACE ", "PRI * HTTP/",
		"EHLO ", "HELO ", "SSH-", "PROXY TCP", "\x16\x03",
	};
	size_t i, len;

	for (i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		len = strlen(openings[i]);
		if (c->len >= len && memcmp(c->text, openings[i], len) == 0)
			return true;
	}
	return false;
}
