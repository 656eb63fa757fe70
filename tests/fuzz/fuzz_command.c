/*
 * The command parser. The first octet of an input says how it is fed: bit 0
 * strict, bit 1 as a SASL response, bit 2 every literal is invited, the rest
 * the length of slices. An octet 0xfe stands for 4000 "x", so that short
 * inputs reach the limits. Whatever the slices, commands end in the same
 * places, and those are where a simple reading of RFC 7888, 3 puts them.
 */

#include "fuzz.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "proto/command.h"

struct end {
	enum command_event	event;
	size_t			at;
};

/* More than a command can have, so that it becomes too long. */
static char	input[COMMAND_TEXT_MAX + 16384];
static size_t	input_len;
static bool	response, invite;

static void
expand(const uint8_t *data, size_t size)
{
	size_t i, n;

	for (input_len = 0, i = 0; i < size && input_len < sizeof(input); i++, input_len += n) {
		n = data[i] == 0xfe ? 4000 : 1;
		n = n < sizeof(input) - input_len ? n : sizeof(input) - input_len;
		memset(input + input_len, data[i] == 0xfe ? 'x' : data[i], n);
	}
}

/* Reads "{" digits ["+"] "}" at the end of a line. */
static bool
announces(const char *line, size_t len, bool *sync, size_t *octets)
{
	size_t i, end;

	if (len < 3 || line[len - 1] != '}')
		return false;
	*sync = line[len - 2] != '+';
	end = *sync ? len - 1 : len - 2;
	for (i = end; i > 0 && isdigit((unsigned char)line[i - 1]); i--)
		;
	if (i == end || i == 0 || line[i - 1] != '{')
		return false;
	for (*octets = 0; i < end && *octets <= COMMAND_LITERAL_MAX; i++)
		*octets = *octets * 10 + (size_t)(line[i] - '0');
	return true;
}

/* Where the command that begins here ends; sure is false where it is as long as a command may be, give or take a CR. */
static struct end
reference(size_t at, bool *sure)
{
	size_t len, octets, stored = 0;
	const char *line, *lf;
	bool sync, too_long;

	for (*sure = true;; at += octets, stored += octets) {
		line = input + at;
		lf = memchr(line, '\n', input_len - at);
		if (lf == NULL)
			return (struct end){ COMMAND_MORE, input_len };
		len = (size_t)(lf - line);
		at += len + 1;
		len -= len > 0 && line[len - 1] == '\r';
		stored += len + 1;
		too_long = stored > COMMAND_TEXT_MAX;
		*sure = *sure && (stored < COMMAND_TEXT_MAX - 2 || stored > COMMAND_TEXT_MAX + 2);
		if (response || !announces(line, len, &sync, &octets) || (sync && too_long))
			return (struct end){ too_long ? COMMAND_TOO_LONG : COMMAND_READY, at };
		if (octets > COMMAND_LITERAL_MAX)
			return (struct end){ sync ? COMMAND_LITERAL_BIG : COMMAND_FLOOD, at };
		if (sync && (!invite || at == input_len))
			return (struct end){ COMMAND_LITERAL, at };
		if (octets > input_len - at)
			return (struct end){ COMMAND_MORE, input_len };
	}
}

static bool
announced_sync(enum command_event event)
{
	return event == COMMAND_LITERAL || event == COMMAND_LITERAL_BIG;
}

static bool
ends(enum command_event event)
{
	return event == COMMAND_READY || event == COMMAND_TOO_LONG;
}

static struct end
feed(struct command *c, size_t at, size_t slice)
{
	struct end end = { COMMAND_MORE, at };
	size_t used, len;

	if (response)
		command_reset_response(c);
	else
		command_reset(c);
	while (end.at < input_len && (end.event == COMMAND_MORE || (end.event == COMMAND_LITERAL && invite))) {
		len = input_len - end.at < slice ? input_len - end.at : slice;
		end.event = command_feed(c, input + end.at, len, &used);
		MUST(used <= len && used > 0);
		MUST(end.event != COMMAND_MORE || used == len);
		MUST(c->len <= COMMAND_TEXT_MAX);
		end.at += used;
	}
	return end;
}

static void
check_string(const struct command_string *s)
{
	MUST(s->text[s->len < COMMAND_STRING_MAX ? s->len : COMMAND_STRING_MAX] == '\0');
	MUST(s->len > COMMAND_STRING_MAX || strlen(s->text) == s->len);
}

/* An argument can be awaited only where a literal was announced, and is complete only where the command is. */
static void
check_verdict(enum command_outcome verdict, enum command_event event)
{
	MUST(verdict != COMMAND_UNFINISHED || event == COMMAND_LITERAL);
	MUST(verdict != COMMAND_GOOD || event == COMMAND_READY);
}

static void
check_arguments(const struct command *c, enum command_event event)
{
	char tag[COMMAND_TAG_MAX + 1], word[COMMAND_NAME_MAX + 1], mechanism[COMMAND_NAME_MAX + 1];
	struct command_string user, password;
	struct command_span initial;
	enum command_outcome verdict;

	MUST(!command_tag(c, tag) || command_is_tag(tag));
	MUST(!command_name(c, word) || strlen(word) > 0);
	MUST(!command_is_tls(c) || command_is_foreign(c));
	check_verdict(command_no_arguments(c), event);
	check_verdict(command_id(c), event);
	verdict = command_login(c, &user, &password);
	check_verdict(verdict, event);
	if (verdict == COMMAND_GOOD) {
		check_string(&user);
		check_string(&password);
	}
	verdict = command_authenticate(c, mechanism, &initial);
	MUST(verdict != COMMAND_UNFINISHED);
	if (verdict == COMMAND_GOOD && initial.text != NULL)
		MUST(initial.text > c->text && initial.len > 0 && initial.text + initial.len <= c->text + c->len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct command whole, sliced;
	size_t at, slice;
	struct end end, other, wanted;
	bool sure;

	if (size == 0)
		return 0;
	expand(data + 1, size - 1);
	whole.strict = sliced.strict = data[0] & 1;
	response = data[0] & 2;
	invite = data[0] & 4;
	slice = 1u + (data[0] >> 3);
	for (at = 0; at < input_len; at = end.at) {
		end = feed(&whole, at, input_len);
		other = feed(&sliced, at, slice);
		MUST(end.event == other.event && end.at == other.at);
		MUST(whole.len == sliced.len && memcmp(whole.text, sliced.text, whole.len) == 0);
		wanted = reference(at, &sure);
		if (!sure && (announced_sync(wanted.event) || announced_sync(end.event)))
			break;
		MUST(end.at == wanted.at);
		MUST(end.event == wanted.event || (!sure && ends(end.event) && ends(wanted.event)));
		if (response)
			MUST(command_response(&whole).len < end.at - at);
		else if (end.event == COMMAND_READY || end.event == COMMAND_LITERAL)
			check_arguments(&whole, end.event);
	}
	return 0;
}
