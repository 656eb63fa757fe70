/*
 * Where a command ends, against the rules of RFC 9051 and 7888. Each
 * input is fed whole, a byte at a time and in two pieces at each place, with
 * sentinel bytes behind it that the parser must leave alone.
 */

#include "feed.h"

#define ALL	1000		/* invite every literal */

static struct feeding feeding;

/* --- where a command ends ------------------------------------------------ */

struct end_row {
	struct bytes		in;
	enum command_event	event;
	unsigned		invite;
};

static void
check_end(const struct feeding *f, const void *arg)
{
	const struct end_row *row = arg;

	expect_fed(f, f->event == row->event);
	expect_fed(f, f->used == row->in.len);
	expect_fed(f, f->invited == row->invite);
}

static void
ends(const struct end_row *rows, size_t n)
{
	size_t i;

	feeding.c.strict = false;
	for (i = 0; i < n; i++) {
		feeding.invite = rows[i].invite;
		feed_with_sentinel(&feeding, rows[i].in, check_end, &rows[i]);
	}
}

#define ENDS(...)	do {							\
	static const struct end_row rows[] = { __VA_ARGS__ };			\
	ends(rows, sizeof(rows) / sizeof(rows[0]));				\
} while (0)

static void
X8_line_ends_in_crlf_or_lf(void **state)
{
	(void)state;
	ENDS({ BYTES("a NOOP\r\n"), COMMAND_READY, 0 }, { BYTES("a NOOP\n"), COMMAND_READY, 0 },
	    { BYTES("\r\n"), COMMAND_READY, 0 }, { BYTES("\n"), COMMAND_READY, 0 },
	    { BYTES(" \r\n"), COMMAND_READY, 0 }, { BYTES("\0\r\n"), COMMAND_READY, 0 },
	    { BYTES("\x16\x03\x01\x02\x00\x01\n"), COMMAND_READY, 0 });
}

static void
X8_bare_cr_ends_nothing(void **state)
{
	(void)state;
	ENDS({ BYTES("a NOOP\rb NOOP\r\n"), COMMAND_READY, 0 }, { BYTES("\r\r\n"), COMMAND_READY, 0 },
	    { BYTES("a X {3+}\rb\r\n"), COMMAND_READY, 0 }, { BYTES("a X {3+}\r\r\n"), COMMAND_READY, 0 },
	    { BYTES("a X {3}\r\r\n"), COMMAND_READY, 0 });
}

static void
LIT1_synchronizing_literal_is_announced_and_awaited(void **state)
{
	(void)state;
	ENDS({ BYTES("a LOGIN {1}\r\n"), COMMAND_LITERAL, 0 }, { BYTES("a LOGIN {1}\n"), COMMAND_LITERAL, 0 },
	    { BYTES("a LOGIN {1}\r\nu {1}\r\n"), COMMAND_LITERAL, 1 },
	    { BYTES("a LOGIN {1}\r\nu {1}\r\np\r\n"), COMMAND_READY, 2 },
	    { BYTES("a LOGIN {1}\nu {1}\np\n"), COMMAND_READY, 2 },
	    { BYTES("a LOGIN {1+}\r\nu {1}\r\n"), COMMAND_LITERAL, 0 },
	    { BYTES("a LOGIN {1}\r\nu {1+}\r\np\r\n"), COMMAND_READY, 1 },
	    { BYTES("a XYZZY {1}\r\n"), COMMAND_LITERAL, 0 }, { BYTES("{1}\r\n"), COMMAND_LITERAL, 0 });
}

static void
LIT3_empty_literal_is_invited_too(void **state)
{
	(void)state;
	ENDS({ BYTES("a LOGIN {0}\r\n"), COMMAND_LITERAL, 0 }, { BYTES("a LOGIN {0}\r\n x\r\n"), COMMAND_READY, 1 },
	    { BYTES("a LOGIN {0+}\r\n x\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {0+}\r\n {0+}\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {0}\n {0}\n\n"), COMMAND_READY, 2 });
}

static void
LIT4_refused_command_swallows_literal(void **state)
{
	(void)state;
	ENDS({ BYTES("a XYZZY {6+}\r\nb NOOP\r\n"), COMMAND_READY, 0 },
	    { BYTES("a BAD {14+}\r\nb LOGOUT\r\nxxxx\r\n"), COMMAND_READY, 0 },
	    { BYTES("a NOOP {8+}\nb NOOP\r\n\n"), COMMAND_READY, 0 },
	    { BYTES("{8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("+ {8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN \"x{8+}\r\nb NOOP\r\n\"\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN u~{8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a APPEND x ~{8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a\0b {8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a\rb {8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a {1+}\r\n\n{1+}\r\n\n{1+}\r\n\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a X {{8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a X {5{8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 },
	    { BYTES("a X }{8+}\r\nb NOOP\r\n\r\n"), COMMAND_READY, 0 });
}

static void
LIT4_announcement_inside_a_literal_is_data(void **state)
{
	(void)state;
	ENDS({ BYTES("a LOGIN {6+}\r\n{9+}\r\n x\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {6}\r\n{9+}\r\n x\r\n"), COMMAND_READY, 1 },
	    { BYTES("a LOGIN {4+}\r\n{9+}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {3+}\r\n{9+}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {4+}\r\nu{9+}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {1+}\r\n{9}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {2+}\r\n{9+}\r\n"), COMMAND_READY, 0 });
}

static void
T15_what_is_a_count(void **state)
{
	(void)state;
	ENDS({ BYTES("a LOGIN {4096}\r\n"), COMMAND_LITERAL, 0 },
	    { BYTES("a LOGIN {00000000005}\r\n"), COMMAND_LITERAL, 0 },
	    { BYTES("a LOGIN {00000000005}\r\n12345 x\r\n"), COMMAND_READY, 1 },
	    { BYTES("a LOGIN {00000000005+}\r\n12\n45 x\r\n"), COMMAND_READY, 0 },
	    { BYTES("a X {0000000000000000000000000000000000000006+}\r\nb NOOP\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {-1}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {-1+}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {+}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {++}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {5++}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {+5}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {5-}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN { 5}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {5 }\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {0x5}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {5\0}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {\0005}\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {1,5}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN 5}\r\n"), COMMAND_READY, 0 }, { BYTES("5}\r\n"), COMMAND_READY, 0 },
	    { BYTES("}\r\n"), COMMAND_READY, 0 }, { BYTES("+}\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {5\r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {5}x\r\n"), COMMAND_READY, 0 },
	    { BYTES("a LOGIN {5} \r\n"), COMMAND_READY, 0 }, { BYTES("a LOGIN {5+} \r\n"), COMMAND_READY, 0 });
}

static void
LIT7_synchronizing_literal_over_the_limit_is_told_apart(void **state)
{
	(void)state;
	ENDS({ BYTES("a LOGIN {4097}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {9999999}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {4294967295}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {4294967296}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {4294967297}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {9223372036854775808}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {18446744073709551615}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {18446744073709551616}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {18446744073709551617}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {99999999999999999999999999999999999999999999}\r\n"), COMMAND_LITERAL_BIG, 0 },
	    { BYTES("a LOGIN {1}\r\nu {4097}\r\n"), COMMAND_LITERAL_BIG, 1 });
}

static void
LIT6_unasked_literal_over_the_limit_is_a_flood(void **state)
{
	(void)state;
	ENDS({ BYTES("a LOGIN {4097+}\r\n"), COMMAND_FLOOD, 0 },
	    { BYTES("a LOGIN {4294967295+}\r\n"), COMMAND_FLOOD, 0 },
	    { BYTES("a LOGIN {4294967296+}\r\n"), COMMAND_FLOOD, 0 },
	    { BYTES("a LOGIN {18446744073709551616+}\r\n"), COMMAND_FLOOD, 0 },
	    { BYTES("a LOGIN {18446744073709551621+}\r\n"), COMMAND_FLOOD, 0 },
	    { BYTES("a LOGIN {1+}\r\nu {4097+}\n"), COMMAND_FLOOD, 0 },
	    { BYTES("a XYZZY {4097+}\r\n"), COMMAND_FLOOD, 0 });
}

static void
check_more(const struct feeding *f, const void *arg)
{
	(void)arg;
	expect_fed(f, f->event == COMMAND_MORE);
	expect_fed(f, f->used == f->in.len);
}

static void
unfinished_input_is_taken_and_more_is_wanted(void **state)
{
	static const struct bytes rows[] = {
		BYTES("a"),
		BYTES("a NOOP"),
		BYTES("a NOOP\r"),
		BYTES("a LOGIN {3+}\r\n"),
		BYTES("a LOGIN {3+}\r\nab"),
		BYTES("a LOGIN {3+}\r\nabc"),
		BYTES("a LOGIN {3+}\r\n\r\n\r"),
		BYTES("a LOGIN {0+}\r\n"),
		BYTES("\0\0\0\0"),
	};
	size_t i, used = 7;

	(void)state;
	feeding.invite = 0;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		feed_every_way(&feeding, rows[i], check_more, NULL);

	command_reset(&feeding.c);
	assert_int_equal(command_feed(&feeding.c, "", 0, &used), COMMAND_MORE);
	assert_int_equal(used, 0);
}

static void
refused_literal_and_reset_leave_nothing_behind(void **state)
{
	struct bytes next = BYTES("b NOOP\r\n");

	(void)state;
	feeding.invite = 0;
	feed_once(&feeding, (struct bytes)BYTES("a LOGIN {4}\r\n"), 1, 1);
	assert_int_equal(feeding.event, COMMAND_LITERAL);
	feed_once(&feeding, next, 1, 1);
	assert_int_equal(feeding.event, COMMAND_READY);
	assert_int_equal(command_no_arguments(&feeding.c), COMMAND_GOOD);

	feed_once(&feeding, (struct bytes)BYTES("a LOGIN {999999}\r\n"), 1, 1);
	assert_int_equal(feeding.event, COMMAND_LITERAL_BIG);
	feed_once(&feeding, next, 1, 1);
	assert_int_equal(feeding.event, COMMAND_READY);
	assert_int_equal(command_no_arguments(&feeding.c), COMMAND_GOOD);

	feed_once(&feeding, (struct bytes)BYTES("a X {6+"), 1, 1);
	assert_int_equal(feeding.event, COMMAND_MORE);
	feed_once(&feeding, (struct bytes)BYTES("}\r\nb NOOP\r\n"), 1, 1);
	assert_int_equal(feeding.event, COMMAND_READY);
	assert_int_equal(feeding.used, 3);
}

/* --- limits -------------------------------------------------------------- */

static char big[11 * 1024 * 1024];

/* A line of len octets with its end, which begins and ends as told. */
static struct bytes
line_of(size_t len, const char *begin, const char *finish)
{
	memset(big, 'x', len);
	memcpy(big, begin, strlen(begin));
	memcpy(big + len - strlen(finish), finish, strlen(finish));
	return (struct bytes){ big, len };
}

static void
X6_line_of_8000_octets_is_parsed(void **state)
{
	struct command_string user, password;
	struct bytes in = line_of(8000, "a LOGIN \"u\" \"", "\"\r\n");

	(void)state;
	feed_once(&feeding, in, 1, 1);
	assert_int_equal(feeding.event, COMMAND_READY);
	assert_int_equal(command_login(&feeding.c, &user, &password), COMMAND_GOOD);
	assert_int_equal(password.len, 8000 - strlen("a LOGIN \"u\" \"\"\r\n"));
}

static void
initial_response_of_an_oauth_token_is_parsed(void **state)
{
	char mechanism[COMMAND_NAME_MAX + 1];
	struct command_span initial;
	struct bytes in = line_of(16000, "a AUTHENTICATE XOAUTH2 ", "\r\n");

	(void)state;
	feed_once(&feeding, in, 1, 1);
	assert_int_equal(feeding.event, COMMAND_READY);
	assert_int_equal(command_authenticate(&feeding.c, mechanism, &initial), COMMAND_GOOD);
	assert_int_equal(initial.len, 16000 - strlen("a AUTHENTICATE XOAUTH2 \r\n"));
}

/* The text's lines count with one octet for their end, so it is the same limit for LF and CR LF but for that CR. */
static void
X6_limit_of_a_line(void **state)
{
	static const char *const finishes[] = { "\r\n", "\n" };
	size_t i, len;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (len = COMMAND_TEXT_MAX - 40; len <= COMMAND_TEXT_MAX + 40; len++) {
			feed_once(&feeding, line_of(len, "a LOGIN u ", finishes[i]), len, 1);
			expect_fed(&feeding, feeding.used == len);
			expect_fed(&feeding, len > COMMAND_TEXT_MAX || feeding.event == COMMAND_READY);
			expect_fed(&feeding, len <= COMMAND_TEXT_MAX + 1 || feeding.event == COMMAND_TOO_LONG);
		}
	}
}

static void
X6_overlong_line_is_left_behind_and_keeps_its_tag(void **state)
{
	static const size_t lengths[] = { COMMAND_TEXT_MAX + 2, 2 * COMMAND_TEXT_MAX, 100000, 1024 * 1024 + 1,
		10 * 1024 * 1024 };
	static const size_t slices[] = { 1, 7, 4096, 65536, SIZE_MAX };
	char tag[COMMAND_TAG_MAX + 1];
	struct bytes in;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		in = line_of(lengths[i], "tag LOGIN u ", "\r\n");
		memcpy(big + in.len, "b NOOP\r\n", 8);
		in.len += 8;
		for (j = 0; j < sizeof(slices) / sizeof(slices[0]); j++) {
			feed_once(&feeding, in, slices[j], slices[j]);
			expect_fed(&feeding, feeding.event == COMMAND_TOO_LONG);
			expect_fed(&feeding, feeding.used == lengths[i]);
			expect_fed(&feeding, command_tag(&feeding.c, tag));
			assert_string_equal(tag, "tag");
		}
	}
}

/* Feeds a command that is too long and expects its end right before a sentinel. */
static void
too_long_until(struct bytes in, enum command_event event)
{
	static const size_t slices[] = { 1, 4096, SIZE_MAX };
	size_t j;

	memcpy(big + in.len, SENTINEL, sizeof(SENTINEL) - 1);
	for (j = 0; j < sizeof(slices) / sizeof(slices[0]); j++) {
		feed_once(&feeding, (struct bytes){ in.text, in.len + sizeof(SENTINEL) - 1 }, slices[j], slices[j]);
		expect_fed(&feeding, feeding.event == event);
		expect_fed(&feeding, feeding.used == in.len);
	}
}

static void
LIT4_overlong_line_swallows_its_literal(void **state)
{
	size_t len;

	(void)state;
	feeding.invite = 0;
	for (len = COMMAND_TEXT_MAX + 2; len <= COMMAND_TEXT_MAX + 80; len++) {
		too_long_until(line_of(len + 20, "a X ", "{16+}\r\nb LOGOUT\r\n12345\n\r\n"), COMMAND_TOO_LONG);
		too_long_until(line_of(len + 20, "a X ", "{3+}\n\r\n{\r\n"), COMMAND_TOO_LONG);
		too_long_until(line_of(len + 20, "a X ", "{4097+}\r\n"), COMMAND_FLOOD);
		too_long_until(line_of(len + 20, "a X ", "{-1+}\r\n"), COMMAND_TOO_LONG);
	}
	too_long_until(line_of(10 * 1024 * 1024, "a X ", "{16+}\r\nb LOGOUT\r\n12345\n\r\n"), COMMAND_TOO_LONG);
}

/* RFC 9051, 9: number64 = 1*DIGIT, so a count may begin with any number of zeros, also where the text is full. */
static void
LIT4_overlong_line_swallows_its_literal_with_leading_zeros(void **state)
{
	size_t len;

	(void)state;
	feeding.invite = 0;
	for (len = COMMAND_TEXT_MAX + 4; len <= COMMAND_TEXT_MAX + 120; len++)
		too_long_until(
		    line_of(len, "a X ",
			"{000000000000000000000000000000000000000000000000000000000000000008+}\r\nb NOOP\r\n\r\n"),
		    COMMAND_TOO_LONG);
}

/* Whoever refuses the literal may do so as too long or as too big: only it is not invited as if all were well. */
static void
LIT7_overlong_line_invites_no_literal(void **state)
{
	(void)state;
	feeding.invite = 0;
	too_long_until(line_of(COMMAND_TEXT_MAX + 100, "a X ", "{16}\r\n"), COMMAND_TOO_LONG);
	too_long_until(line_of(COMMAND_TEXT_MAX + 100, "a X ", "{5000}\r\n"), COMMAND_TOO_LONG);
}

/* So many of the longest literals, with what announces them, are more than one command may have. */
#define LITERALS_FULL	(COMMAND_TEXT_MAX / COMMAND_LITERAL_MAX)

/* As many literals of 4096 octets as begin before the limit: "a X" and four of them are over it. */
static size_t
full_literals(char *to, size_t n)
{
	char *at = stpcpy(to, "a X");
	size_t i;

	for (i = 0; i < n; i++) {
		at = stpcpy(at, " {4096+}\r\n");
		memset(at, i % 2 == 0 ? '\n' : '}', COMMAND_LITERAL_MAX);
		at += COMMAND_LITERAL_MAX;
	}
	return (size_t)(at - to);
}

static void
X6_literals_count_and_are_left_behind(void **state)
{
	size_t n, len;

	(void)state;
	for (n = 1; n <= 2 * LITERALS_FULL; n++) {
		len = full_literals(big, n);
		memcpy(big + len, "\r\n", 2);
		too_long_until((struct bytes){ big, len + 2 }, n < LITERALS_FULL ? COMMAND_READY : COMMAND_TOO_LONG);
	}
}

/*
 * As many literals as fit, then one whose last octets look like the beginning of an
 * announcement, ending where the text is full or nearly so. What the next
 * line says must be read from that line alone (RFC 7888, 3).
 */
static void
LIT4_literal_is_no_part_of_the_line_behind_it_where_the_text_is_full(void **state)
{
	static const char *const tails[] = { "{9+", "{9", "{", "{00000000000000000000009+", "{4097+" };
	static const char *const lines[] = { "}\r\n", "}\n", "+}\r\n", "9+}\r\n" };
	size_t i, j, n, len, wanted;
	char *at;

	(void)state;
	feeding.invite = 0;
	for (n = 3900; n <= 4096; n++) {
		for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
			for (j = 0; j < sizeof(lines) / sizeof(lines[0]); j++) {
				len = full_literals(big, LITERALS_FULL - 1);
				at = big + len + sprintf(big + len, " {%zu+}\r\n", n);
				memset(at, 'x', n);
				memcpy(at + n - strlen(tails[i]), tails[i], strlen(tails[i]));
				wanted = (size_t)(stpcpy(at + n, lines[j]) - big);
				memcpy(big + wanted, SENTINEL, sizeof(SENTINEL) - 1);
				feed_once(&feeding, (struct bytes){ big, wanted + sizeof(SENTINEL) - 1 }, SIZE_MAX, 1);
				if (feeding.used != wanted)
					fail_msg(
					    "literal of %zu octets ending in %s, then line %s: command ends at %zu, not at %zu",
					    n, tails[i], shown((struct bytes){ lines[j], strlen(lines[j]) }),
					    feeding.used, wanted);
			}
		}
	}
}

static void
strings_up_to_511_octets_are_kept_and_longer_ones_measured(void **state)
{
	static const size_t lengths[] = { 1, 255, 256, 510, 511, 512, 513, 1024, 4095, 4096 };
	struct command_string user, password;
	size_t i, n, form;
	char *at;

	(void)state;
	feeding.invite = ALL;
	for (i = 0; i < 3 * sizeof(lengths) / sizeof(lengths[0]); i++) {
		n = lengths[i / 3];
		form = i % 3;
		at = big +
		    sprintf(big,
			form == 0	? "a LOGIN u "
			    : form == 1 ? "a LOGIN u \""
					: "a LOGIN u {%zu+}\r\n",
			n);
		memset(at, 'p', n);
		at = stpcpy(at + n, form == 1 ? "\"\r\n" : "\r\n");
		feed_once(&feeding, (struct bytes){ big, (size_t)(at - big) }, SIZE_MAX, 1);
		expect_fed(&feeding, feeding.event == COMMAND_READY);
		expect_fed(&feeding, command_login(&feeding.c, &user, &password) == COMMAND_GOOD);
		expect_fed(&feeding, password.len == n);
		expect_fed(&feeding, password.text[n < COMMAND_STRING_MAX ? n : COMMAND_STRING_MAX] == '\0');
		expect_fed(&feeding, n > COMMAND_STRING_MAX || strlen(password.text) == n);
	}
}

/* --- lines of a SASL exchange -------------------------------------------- */

struct response_row {
	struct bytes	in, line;
};

static void
check_response(size_t first, const struct response_row *row)
{
	struct feeding *f = &feeding;
	struct command_span line;

	f->in = row->in;
	f->first = first;
	f->rest = first;
	command_reset_response(&f->c);
	feed(f);
	line = command_response(&f->c);
	expect_fed(f, f->event == COMMAND_READY);
	expect_fed(f, f->used == (size_t)((const char *)memchr(row->in.text, '\n', row->in.len) - row->in.text) + 1);
	expect_fed(f, line.len == row->line.len);
	expect_fed(f, memcmp(line.text, row->line.text, line.len) == 0);
}

static void
A19_response_is_one_line_of_any_octets(void **state)
{
	static const struct response_row rows[] = {
		{ BYTES("AGEAYg==\r\nb NOOP\r\n"), BYTES("AGEAYg==") },
		{ BYTES("AGEAYg==\nb NOOP\r\n"), BYTES("AGEAYg==") },
		{ BYTES("\r\n\r\n"), BYTES("") },
		{ BYTES("\nx\n"), BYTES("") },
		{ BYTES("*\r\n"), BYTES("*") },
		{ BYTES("b NOOP\r\nc"), BYTES("b NOOP") },
		{ BYTES("x {3+}\r\nabc\r\n"), BYTES("x {3+}") },
		{ BYTES("{3}\r\nabc\r\n"), BYTES("{3}") },
		{ BYTES("{9999+}\r\nabc\r\n"), BYTES("{9999+}") },
		{ BYTES("a\rb\r\r\n"), BYTES("a\rb\r") },
		{ BYTES("\0a\0\r\n"), BYTES("\0a\0") },
		{ BYTES(" \r\n"), BYTES(" ") },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_response(1, &rows[i]);
		check_response(SIZE_MAX, &rows[i]);
		check_response(rows[i].line.len + 1, &rows[i]);
	}
}

static void
A18_response_is_bounded_and_left_behind(void **state)
{
	static const size_t lengths[] = { 16000, COMMAND_TEXT_MAX, COMMAND_TEXT_MAX + 2, 65537, 10 * 1024 * 1024 };
	static const size_t slices[] = { 1, 4096, SIZE_MAX };
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (j = 0; j < sizeof(slices) / sizeof(slices[0]); j++) {
			feeding.in = line_of(lengths[i], "", "{9+}\r\n");
			memcpy(big + lengths[i], "b NOOP\r\n", 8);
			feeding.in.len += 8;
			feeding.first = feeding.rest = slices[j];
			command_reset_response(&feeding.c);
			feed(&feeding);
			expect_fed(&feeding, feeding.used == lengths[i]);
			expect_fed(&feeding,
			    feeding.event == (lengths[i] <= COMMAND_TEXT_MAX ? COMMAND_READY : COMMAND_TOO_LONG));
		}
	}
}

/* --- what is forgotten --------------------------------------------------- */

static size_t
left_over(const struct command *c, char ch)
{
	size_t i, n = 0;

	for (i = 0; i < sizeof(c->text); i++)
		n += c->text[i] == ch;
	return n;
}

static void
T55_reset_wipes_all_that_came_in(void **state)
{
	static const size_t lengths[] = { 100, 8000, COMMAND_TEXT_MAX - 1, COMMAND_TEXT_MAX, COMMAND_TEXT_MAX + 1,
		COMMAND_TEXT_MAX + 2, COMMAND_TEXT_MAX + 5000, 40000, 100000 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(&feeding, 0, sizeof(feeding));
		feed_once(&feeding, line_of(lengths[i], "a LOGIN u \"", "\"\r\n"), 1000, 1000);
		command_reset(&feeding.c);
		if (left_over(&feeding.c, 'x') > 0)
			fail_msg("line of %zu octets: %zu are left after command_reset", lengths[i],
			    left_over(&feeding.c, 'x'));

		feed_once(&feeding, line_of(lengths[i], "a LOGIN u \"", "\"\r\n"), 1000, 1000);
		command_reset_response(&feeding.c);
		if (left_over(&feeding.c, 'x') > 0)
			fail_msg("line of %zu octets: %zu are left after command_reset_response", lengths[i],
			    left_over(&feeding.c, 'x'));
		assert_int_equal(command_response(&feeding.c).len, 0);
	}
}

static void
T11_beginnings_of_other_protocols(void **state)
{
	static const struct {
		struct bytes in;
		bool foreign;
	} rows[] = {
		{ BYTES("GET / HTTP/1.1\r\n"), true },
		{ BYTES("EHLO x\r\n"), true },
		{ BYTES("SSH-2.0-x\r\n"), true },
		{ BYTES("PROXY TCP4 192.0.2.7\r\n"), true },
		{ BYTES("\x16\x03\n"), true },
		{ BYTES("SSH-\n"), true },
		{ BYTES("SSH\n"), false },
		{ BYTES("GET\r\n"), false },
		{ BYTES("GETX / HTTP/1.1\r\n"), false },
		{ BYTES("get / HTTP/1.1\r\n"), false },
		{ BYTES("a GET / HTTP/1.1\r\n"), false },
		{ BYTES("a LOGIN joe sesame\r\n"), false },
		{ BYTES("\n"), false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		feed_once(&feeding, rows[i].in, rows[i].in.len, 1);
		expect_fed(&feeding, command_is_foreign(&feeding.c) == rows[i].foreign);
	}
	/* So many octets and no more, not even the line's end. */
	feed_once(&feeding, (struct bytes)BYTES("SSH-"), 4, 1);
	assert_true(command_is_foreign(&feeding.c));
	command_reset(&feeding.c);
	assert_false(command_is_foreign(&feeding.c));
}

static void
reset_keeps_strict_and_ends_a_response(void **state)
{
	(void)state;
	feeding.c.strict = true;
	command_reset_response(&feeding.c);
	assert_true(feeding.c.strict);
	feed_once(&feeding, (struct bytes)BYTES("a X {1+}\r\n\n\r\n"), 1, 1);
	assert_int_equal(feeding.event, COMMAND_READY);
	assert_int_equal(feeding.used, feeding.in.len);
	assert_true(feeding.c.strict);
	feeding.c.strict = false;
}

/* --- other protocols ----------------------------------------------------- */

static void
T11_foreign_protocols_are_known_by_their_first_line(void **state)
{
	static const struct {
		struct bytes in;
		bool foreign;
	} rows[] = {
		{ BYTES("GET / HTTP/1.1\r\n"), true },
		{ BYTES("GET /a<script> HTTP/1.1\r\n"), true },
		{ BYTES("GET http://imap.example/ HTTP/1.0\n"), true },
		{ BYTES("HEAD / HTTP/1.1\r\n"), true },
		{ BYTES("POST /x HTTP/1.1\r\n"), true },
		{ BYTES("PUT /x HTTP/1.1\r\n"), true },
		{ BYTES("DELETE /x HTTP/1.1\r\n"), true },
		{ BYTES("OPTIONS * HTTP/1.1\r\n"), true },
		{ BYTES("CONNECT example.org:25 HTTP/1.1\r\n"), true },
		{ BYTES("PRI * HTTP/2.0\r\n"), true },
		{ BYTES("EHLO example.org\r\n"), true },
		{ BYTES("HELO example.org\r\n"), true },
		{ BYTES("SSH-2.0-OpenSSH_9.2\r\n"), true },
		{ BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"), true },
		{ BYTES("\x16\x03\x03\n"), true },
		{ BYTES("a NOOP\r\n"), false },
		{ BYTES("a CAPABILITY\r\n"), false },
		{ BYTES("A001 LOGIN u p\r\n"), false },
		{ BYTES("1 ID NIL\r\n"), false },
		{ BYTES("a GET / HTTP/1.1\r\n"), false },
		{ BYTES("GETTER NOOP\r\n"), false },
		{ BYTES("ssh NOOP\r\n"), false },
		{ BYTES("tag {3+}\r\nabc\r\n"), false },
		{ BYTES("NOOP\r\n"), false },
		{ BYTES("\r\n"), false },
		{ BYTES("\n"), false },
		{ BYTES("\x16\n"), false },
	};
	size_t i;

	(void)state;
	feeding.invite = ALL;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		feed_once(&feeding, rows[i].in, 1, 1);
		expect_fed(&feeding, feeding.event == COMMAND_READY);
		expect_fed(&feeding, command_is_foreign(&feeding.c) == rows[i].foreign);
	}
}

static void
T11_tls_is_told_from_other_protocols(void **state)
{
	static const struct {
		struct bytes in;
		bool tls;
	} rows[] = {
		{ BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"), true },
		{ BYTES("\x16\x03\n"), true },
		{ BYTES("\x16\n"), false },
		{ BYTES("GET / HTTP/1.1\r\n"), false },
		{ BYTES("a \x16\x03\n"), false },
		{ BYTES("\n"), false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		feed_once(&feeding, rows[i].in, 1, 1);
		expect_fed(&feeding, command_is_tls(&feeding.c) == rows[i].tls);
	}
}

static void
T11_foreign_line_that_is_too_long_is_known_too(void **state)
{
	(void)state;
	feed_once(&feeding, line_of(100000, "GET /", " HTTP/1.1\r\n"), 4096, 4096);
	assert_int_equal(feeding.event, COMMAND_TOO_LONG);
	assert_true(command_is_foreign(&feeding.c));
}

/* --- many commands in a row ---------------------------------------------- */

static uint64_t seed = 0x9e3779b97f4a7c15u;

static size_t
random_below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed >> 11) % n;
}

/* Appends up to n octets of those that decide something. */
static char *
random_octets(char *at, size_t n, bool line_ends)
{
	static const char kinds[] = "{}+0123456789 ab\"\\()%*\r\0\x80\xff\n";

	while (n-- > 0)
		*at++ = kinds[random_below(sizeof(kinds) - 1 - (line_ends ? 0 : 1))];
	return at;
}

/* A command of which we know where it ends, as we have put it together: lines, and literals that are announced. */
static size_t
random_command(char *to)
{
	char *at = stpcpy(to, "a ");
	size_t n, parts = random_below(5);

	while (parts-- > 0) {
		at = random_octets(at, random_below(30), false);
		n = random_below(20) == 0 ? random_below(4097) : random_below(12);
		at += sprintf(at, random_below(2) ? "{%zu+}%s" : "{%zu}%s", n, random_below(2) ? "\r\n" : "\n");
		at = random_octets(at, n, true);
	}
	at = random_octets(at, random_below(30), false);
	return (size_t)(stpcpy(at, ".\r\n") - to);
}

static void
T16_commands_in_a_row_end_where_they_were_made_to(void **state)
{
	static char text[64 * 1024];
	size_t i, at, len, used, total;
	size_t end[4];
	enum command_event event;

	(void)state;
	for (i = 0; i < 20000; i++) {
		for (at = 0, total = 0; at < 3; at++) {
			total += random_command(text + total);
			end[at] = total;
		}
		for (at = 0, len = 0; len < 3; len++) {
			command_reset(&feeding.c);
			do {
				size_t slice = random_below(2) ? total - at : 1 + random_below(20);

				event =
				    command_feed(&feeding.c, text + at, slice < total - at ? slice : total - at, &used);
				at += used;
			} while (at < total && (event == COMMAND_MORE || event == COMMAND_LITERAL));
			if (event != (feeding.c.too_long ? COMMAND_TOO_LONG : COMMAND_READY) || at != end[len])
				fail_msg("round %zu, command %zu: event %d, ends at %zu, not at %zu\n  %s", i, len,
				    event, at, end[len], shown((struct bytes){ text, total }));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(X8_line_ends_in_crlf_or_lf),
		cmocka_unit_test(X8_bare_cr_ends_nothing),
		cmocka_unit_test(LIT1_synchronizing_literal_is_announced_and_awaited),
		cmocka_unit_test(LIT3_empty_literal_is_invited_too),
		cmocka_unit_test(LIT4_refused_command_swallows_literal),
		cmocka_unit_test(LIT4_announcement_inside_a_literal_is_data),
		cmocka_unit_test(T15_what_is_a_count),
		cmocka_unit_test(LIT7_synchronizing_literal_over_the_limit_is_told_apart),
		cmocka_unit_test(LIT6_unasked_literal_over_the_limit_is_a_flood),
		cmocka_unit_test(unfinished_input_is_taken_and_more_is_wanted),
		cmocka_unit_test(refused_literal_and_reset_leave_nothing_behind),
		cmocka_unit_test(X6_line_of_8000_octets_is_parsed),
		cmocka_unit_test(initial_response_of_an_oauth_token_is_parsed),
		cmocka_unit_test(X6_limit_of_a_line),
		cmocka_unit_test(X6_overlong_line_is_left_behind_and_keeps_its_tag),
		cmocka_unit_test(LIT4_overlong_line_swallows_its_literal),
		cmocka_unit_test(LIT4_overlong_line_swallows_its_literal_with_leading_zeros),
		cmocka_unit_test(LIT7_overlong_line_invites_no_literal),
		cmocka_unit_test(X6_literals_count_and_are_left_behind),
		cmocka_unit_test(LIT4_literal_is_no_part_of_the_line_behind_it_where_the_text_is_full),
		cmocka_unit_test(strings_up_to_511_octets_are_kept_and_longer_ones_measured),
		cmocka_unit_test(A19_response_is_one_line_of_any_octets),
		cmocka_unit_test(A18_response_is_bounded_and_left_behind),
		cmocka_unit_test(T55_reset_wipes_all_that_came_in),
		cmocka_unit_test(T11_beginnings_of_other_protocols),
		cmocka_unit_test(reset_keeps_strict_and_ends_a_response),
		cmocka_unit_test(T11_foreign_protocols_are_known_by_their_first_line),
		cmocka_unit_test(T11_tls_is_told_from_other_protocols),
		cmocka_unit_test(T11_foreign_line_that_is_too_long_is_known_too),
		cmocka_unit_test(T16_commands_in_a_row_end_where_they_were_made_to),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
