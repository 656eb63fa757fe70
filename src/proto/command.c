/*
 * The IMAP command parser, see command.h. Run by the gate in its sandbox, on the client's input.
 * Pure, with one buffer of fixed size.
 *
 * The parser works in two steps. command_feed() collects lines and literals until a command is
 * complete, and knows nothing of IMAP but line ends and "{n}". So the end of a refused command is
 * found like the end of an accepted one, and literals can't be taken for commands (RFC 7888, 3).
 * The functions in arguments.c then parse a command that is complete or waits for the invitation
 * of a literal.
 */

#include "proto/command.h"

#include <string.h>

/* Type and version of the record of a ClientHello (RFC 8446, 5.1). */
#define TLS_OPENING	"\x16\x03"

static bool
is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static void
wipe_command(struct command *c, bool response)
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
	wipe_command(c, false);
}

void
command_reset_response(struct command *c)
{
	wipe_command(c, true);
}

/* Appends as many bytes as fit. The reply to a command that is too long needs only the tag. */
static void
append_bytes(struct command *c, const char *bytes, size_t len)
{
	size_t room = sizeof(c->text) - c->len;

	if (len > room) {
		c->too_long = true;
		len = room;
	}
	memcpy(c->text + c->len, bytes, len);
	c->len += len;
}

/*
 * Tracks whether the end of a line announces a literal. RFC 7888, 3: every line's end has to be
 * examined, even if the line is invalid or too long.
 */
static void
track_announcement(struct command_announcement *a, const char *line, size_t len)
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

/* Replaces CR LF with LF, if the CR belongs to this line and not to a literal. */
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

	append_bytes(c, bytes, n);
	track_announcement(&c->announcement, bytes, lf != NULL ? n - 1 : n);
	if (lf != NULL)
		*event = end_of_line(c);
	return n;
}

static size_t
take_literal(struct command *c, const char *bytes, size_t len)
{
	size_t n = len < c->literal_left ? len : c->literal_left;

	append_bytes(c, bytes, n);
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

struct command_span
command_response(const struct command *c)
{
	struct command_span span = { c->text, c->len > 0 ? c->len - 1 : 0 };

	return span;
}

bool
command_is_foreign(const struct command *c)
{
	/*
	 * First words of browsers, scanners and relays. All would be valid tags, but no IMAP
	 * client uses them.
	 */
	static const char *const openings[] = {
		"GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS ", "CONNECT ", "TRACE ", "PRI * HTTP/",
		"EHLO ", "HELO ", "SSH-", "PROXY TCP", TLS_OPENING,
	};
	size_t i, len;

	for (i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		len = strlen(openings[i]);
		if (c->len >= len && memcmp(c->text, openings[i], len) == 0)
			return true;
	}
	return false;
}

bool
command_is_tls(const struct command *c)
{
	return c->len >= strlen(TLS_OPENING) && memcmp(c->text, TLS_OPENING, strlen(TLS_OPENING)) == 0;
}
