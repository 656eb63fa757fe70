/*
 * What a command's text says: tag, word and arguments, against the rules of
 * RFC 9051, 2971 and 4959. Fed as in test_command.c.
 */

#include "feed.h"

#include "proto/sasl.h"

#define ALL	1000		/* invite every literal */

static struct feeding feeding;

/* --- tags and words ------------------------------------------------------ */

struct head_row {
	struct bytes	 in;
	const char	*tag, *word;	/* NULL for none */
};

static void
check_head(const struct feeding *f, const void *arg)
{
	const struct head_row *row = arg;
	char tag[COMMAND_TAG_MAX + 1], word[COMMAND_NAME_MAX + 1];
	bool has_tag = command_tag(&f->c, tag), has_word = command_name(&f->c, word);

	expect_fed(f, f->event == COMMAND_READY);
	expect_fed(f, f->used == row->in.len);
	expect_fed(f, has_tag == (row->tag != NULL));
	expect_fed(f, has_word == (row->word != NULL));
	if (has_tag)
		assert_string_equal(tag, row->tag);
	if (has_tag)
		expect_fed(f, command_is_tag(tag));
	if (has_word)
		assert_string_equal(word, row->word);
}

static void
heads(const struct head_row *rows, size_t n)
{
	size_t i;

	feeding.invite = ALL;
	for (i = 0; i < n; i++)
		feed_with_sentinel(&feeding, rows[i].in, check_head, &rows[i]);
}

#define HEADS(...)	do {							\
	static const struct head_row rows[] = { __VA_ARGS__ };			\
	heads(rows, sizeof(rows) / sizeof(rows[0]));				\
} while (0)

static void
X1_words_are_in_upper_case(void **state)
{
	(void)state;
	HEADS({ BYTES("a xyzzy~{azAZ09\r\n"), "a", "XYZZY~" }, { BYTES("a azAZ@[`{\r\n"), "a", "AZAZ@[`" },
	    { BYTES("a cApAbIlItY\r\n"), "a", "CAPABILITY" }, { BYTES("a NOOP\n"), "a", "NOOP" },
	    { BYTES("aBc noop x\r\n"), "aBc", "NOOP" }, { BYTES("a starttls\r\n"), "a", "STARTTLS" },
	    { BYTES("a x\r\n"), "a", "X" },
	    { BYTES("a 12345678901234567890123456789012345678\r\n"), "a", "12345678901234567890123456789012" },
	    { BYTES("a AUTHENTICATEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), "a",
		"AUTHENTICATEAAAAAAAAAAAAAAAAAAAA" });
}

static void
X2_tags_that_can_be_repeated(void **state)
{
	(void)state;
	HEADS({ BYTES("a] NOOP\r\n"), "a]", "NOOP" }, { BYTES("] NOOP\r\n"), "]", "NOOP" },
	    { BYTES("[]#!$&'-./:;<=>?@^_`|}~, NOOP\r\n"), "[]#!$&'-./:;<=>?@^_`|}~,", "NOOP" },
	    { BYTES("0 NOOP\r\n"), "0", "NOOP" }, { BYTES("NOOP NOOP\r\n"), "NOOP", "NOOP" },
	    { BYTES("a.1 NOOP\r\n"), "a.1", "NOOP" });
}

static void
X3_bad_tags_are_none(void **state)
{
	(void)state;
	HEADS({ BYTES("+x NOOP\r\n"), NULL, NULL }, { BYTES("* NOOP\r\n"), NULL, NULL },
	    { BYTES("x+ NOOP\r\n"), NULL, NULL }, { BYTES("+ NOOP\r\n"), NULL, NULL },
	    { BYTES("(a NOOP\r\n"), NULL, NULL }, { BYTES("a) NOOP\r\n"), NULL, NULL },
	    { BYTES("{a NOOP\r\n"), NULL, NULL }, { BYTES("a% NOOP\r\n"), NULL, NULL },
	    { BYTES("a* NOOP\r\n"), NULL, NULL }, { BYTES("\"a\" NOOP\r\n"), NULL, NULL },
	    { BYTES("a\\ NOOP\r\n"), NULL, NULL }, { BYTES("a\001 NOOP\r\n"), NULL, NULL },
	    { BYTES("a\t NOOP\r\n"), NULL, NULL }, { BYTES("a\tNOOP\r\n"), NULL, NULL },
	    { BYTES("a\177 NOOP\r\n"), NULL, NULL }, { BYTES("\xc3\xa4 NOOP\r\n"), NULL, NULL },
	    { BYTES("a\xff NOOP\r\n"), NULL, NULL }, { BYTES("\0a NOOP\r\n"), NULL, NULL },
	    { BYTES("a\0 NOOP\r\n"), NULL, NULL }, { BYTES("a\r NOOP\r\n"), NULL, NULL },
	    { BYTES(" a NOOP\r\n"), NULL, NULL }, { BYTES("{1+}\r\na NOOP\r\n"), NULL, NULL });
}

static void
X5_lines_without_tag_or_word(void **state)
{
	(void)state;
	HEADS({ BYTES("\r\n"), NULL, NULL }, { BYTES("\n"), NULL, NULL }, { BYTES(" \r\n"), NULL, NULL },
	    { BYTES("\r\r\n"), NULL, NULL }, { BYTES("a\r\n"), "a", NULL }, { BYTES("a \r\n"), "a", NULL },
	    { BYTES("a  NOOP\r\n"), "a", NULL }, { BYTES("a \"NOOP\"\r\n"), "a", NULL },
	    { BYTES("a {4+}\r\nNOOP\r\n"), "a", NULL }, { BYTES("a {4}\r\nNOOP\r\n"), "a", NULL },
	    { BYTES("a \0NOOP\r\n"), "a", NULL }, { BYTES("a \xc3\xa4\r\n"), "a", NULL });
}

static void
tag_of_128_octets_is_the_longest(void **state)
{
	char in[COMMAND_TAG_MAX + 32], tag[COMMAND_TAG_MAX + 1];
	size_t n;

	(void)state;
	for (n = COMMAND_TAG_MAX - 1; n <= COMMAND_TAG_MAX + 1; n++) {
		memset(in, 'T', n);
		strcpy(in + n, " NOOP\r\n");
		feed_once(&feeding, (struct bytes){ in, n + 7 }, 1, 1);
		assert_int_equal(feeding.event, COMMAND_READY);
		assert_int_equal(command_tag(&feeding.c, tag), n <= COMMAND_TAG_MAX);
		if (n <= COMMAND_TAG_MAX)
			assert_int_equal(strlen(tag), n);
		in[n] = '\0';
		assert_int_equal(command_is_tag(in), n <= COMMAND_TAG_MAX);
	}
	assert_false(command_is_tag(""));
	assert_false(command_is_tag("a b"));
	assert_false(command_is_tag("a\r\n"));
	assert_false(command_is_tag("+"));
	assert_false(command_is_tag("*"));
	assert_true(command_is_tag("A1]"));
}

/* --- arguments ----------------------------------------------------------- */

enum parser { NOTHING, LOGIN, ID };

struct argument_row {
	struct bytes		in;
	enum command_outcome	verdict, strictly;
	struct bytes		user, password;		/* with LOGIN, if they are good */
};

struct argument_table {
	enum parser		 parser;
	enum command_event	 event;			/* COMMAND_LITERAL: ask when one is announced */
	const struct argument_row *row;
};

static enum command_outcome
parse(enum parser parser, const struct command *c, struct command_string *user, struct command_string *password)
{
	switch (parser) {
	case NOTHING:
		return command_no_arguments(c);
	case LOGIN:
		return command_login(c, user, password);
	case ID:
		return command_id(c);
	}
	return COMMAND_BAD;
}

static void
check_string(const struct feeding *f, const struct command_string *s, const struct bytes *wanted)
{
	expect_fed(f, s->len == wanted->len);
	if (s->len > COMMAND_STRING_MAX)
		return;
	expect_fed(f, memcmp(s->text, wanted->text, s->len) == 0);
	expect_fed(f, s->text[s->len] == '\0');
}

static void
check_arguments(const struct feeding *f, const void *arg)
{
	const struct argument_table *table = arg;
	const struct argument_row *row = table->row;
	struct command_string user, password;
	enum command_outcome wanted = f->c.strict ? row->strictly : row->verdict;

	expect_fed(f, f->event == table->event);
	expect_fed(f, f->used == row->in.len);
	expect_fed(f, parse(table->parser, &f->c, &user, &password) == wanted);
	if (table->parser != LOGIN || wanted != COMMAND_GOOD)
		return;
	check_string(f, &user, &row->user);
	check_string(f, &password, &row->password);
}

static void
arguments(enum parser parser, enum command_event event, const struct argument_row *rows, size_t n)
{
	struct argument_table table = { parser, event, NULL };
	size_t i;

	feeding.invite = event == COMMAND_LITERAL ? 0 : ALL;
	for (i = 0; i < n; i++) {
		table.row = &rows[i];
		feeding.c.strict = false;
		feed_with_sentinel(&feeding, rows[i].in, check_arguments, &table);
		feeding.c.strict = true;
		feed_with_sentinel(&feeding, rows[i].in, check_arguments, &table);
	}
	feeding.c.strict = false;
}

#define ARGUMENTS(parser, event, ...)	do {					\
	static const struct argument_row rows[] = { __VA_ARGS__ };		\
	arguments(parser, event, rows, sizeof(rows) / sizeof(rows[0]));		\
} while (0)

#define NONE			{ "", 0 }, { "", 0 }
#define GOOD(in)		{ BYTES(in), COMMAND_GOOD, COMMAND_GOOD, NONE }
#define LENIENT(in)		{ BYTES(in), COMMAND_GOOD, COMMAND_BAD, NONE }
#define WRONG(in)		{ BYTES(in), COMMAND_BAD, COMMAND_BAD, NONE }
#define AWAITED(in)		{ BYTES(in), COMMAND_UNFINISHED, COMMAND_UNFINISHED, NONE }
#define NAMES(in, u, p)		{ BYTES(in), COMMAND_GOOD, COMMAND_GOOD, BYTES(u), BYTES(p) }
#define NAMES_LENIENT(in, u, p)	{ BYTES(in), COMMAND_GOOD, COMMAND_BAD, BYTES(u), BYTES(p) }

static void
X4_no_arguments_where_there_are_none(void **state)
{
	(void)state;
	ARGUMENTS(NOTHING, COMMAND_READY, GOOD("a NOOP\r\n"), GOOD("a NOOP\n"), WRONG("a NOOP x\r\n"),
	    WRONG("a NOOP\"\"\r\n"), WRONG("a NOOP ()\r\n"), WRONG("a NOOP {0+}\r\n\r\n"),
	    WRONG("a NOOP {1+}\r\nx\r\n"), WRONG("a NOOP{1+}\r\n \r\n"), WRONG("a NOOP x \r\n"));
}

static void
X7_trailing_space_only_minds_when_strict(void **state)
{
	(void)state;
	ARGUMENTS(NOTHING, COMMAND_READY, LENIENT("a NOOP \r\n"), LENIENT("a NOOP \n"));
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES_LENIENT("a LOGIN u p \r\n", "u", "p"),
	    NAMES_LENIENT("a LOGIN u \"p\" \r\n", "u", "p"), NAMES_LENIENT("a LOGIN u {1+}\r\np \r\n", "u", "p"),
	    WRONG("a LOGIN u \r\n"), WRONG("a LOGIN \r\n"));
	ARGUMENTS(ID, COMMAND_READY, LENIENT("a ID NIL \r\n"), LENIENT("a ID () \r\n"), WRONG("a ID \r\n"));
}

static void
T25_what_stands_before_the_line_end(void **state)
{
	(void)state;
	ARGUMENTS(NOTHING, COMMAND_READY, GOOD("a NOOP\r\n"), GOOD("a NOOP\n"), WRONG("a NOOP\r\r\n"),
	    WRONG("a NOOP\0\r\n"), WRONG("a NOOP\r\0\n"), WRONG("a NOOP\x0b\r\n"), WRONG("a NOOP\x0c\n"),
	    WRONG("a NOOP\x1a\r\n"), WRONG("a NOOP\xe2\x80\xa8\r\n"), WRONG("a NOOP\x85\r\n"), WRONG("a NOOP\t\r\n"),
	    WRONG("a NOOP\rb NOOP\r\n"), WRONG("a NOOP \r \r\n"), WRONG("a NOOP \0\r\n"));
}

static void
LIT2_command_that_is_wrong_already_invites_no_literal(void **state)
{
	(void)state;
	ARGUMENTS(NOTHING, COMMAND_LITERAL, WRONG("a NOOP {3}\r\n"), WRONG("a NOOP{3}\r\n"), WRONG("a NOOP {0}\r\n"));
	ARGUMENTS(LOGIN, COMMAND_LITERAL, WRONG("a LOGIN{3}\r\n"), WRONG("a LOGIN  {3}\r\n"), WRONG("a LOGIN u{3}\r\n"),
	    WRONG("a LOGIN u  {3}\r\n"), WRONG("a LOGIN u p {3}\r\n"), WRONG("a LOGIN u p{3}\r\n"),
	    WRONG("a LOGIN \"u {3}\r\n"), WRONG("a LOGIN \"u\"{3}\r\n"), WRONG("a LOGIN ({3}\r\n"),
	    WRONG("a LOGIN ~{3}\r\n"), WRONG("a LOGIN \\{3}\r\n"), WRONG("a LOGIN {1+}\r\n\0 {3}\r\n"),
	    WRONG("a LOGIN {1+}\r\nu{3}\r\n"), WRONG("a LOGIN \"\\x\" {3}\r\n"));
	ARGUMENTS(ID, COMMAND_LITERAL, WRONG("a ID{3}\r\n"), WRONG("a ID NIL {3}\r\n"), WRONG("a ID {3}\r\n"),
	    WRONG("a ID () {3}\r\n"), WRONG("a ID (NIL {3}\r\n"), WRONG("a ID (name {3}\r\n"),
	    WRONG("a ID ((\"a\" {3}\r\n"), WRONG("a ID (\"a\"{3}\r\n"), WRONG("a ID (\"a\" \"b\"{3}\r\n"),
	    WRONG("a ID (\"a\" \"b\" \"a\" {3}\r\n"));
}

static void
LIT1_command_that_is_good_so_far_awaits_its_literal(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_LITERAL, AWAITED("a LOGIN {1}\r\n"), AWAITED("a LOGIN {0}\n"),
	    AWAITED("a LOGIN {4096}\r\n"), AWAITED("a LOGIN u {1}\r\n"), AWAITED("a LOGIN \"u\" {1}\r\n"),
	    AWAITED("a LOGIN {1+}\r\nu {1}\r\n"), AWAITED("a LOGIN {00000000005}\r\n"));
	ARGUMENTS(ID, COMMAND_LITERAL, AWAITED("a ID ({1}\r\n"), AWAITED("a ID (\"name\" {1}\r\n"),
	    AWAITED("a ID ({4+}\r\nname {0}\r\n"), AWAITED("a ID (\"a\" NIL {1}\r\n"));
}

static void
LIT7_number_over_the_limit_is_no_literal(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_LITERAL_BIG, WRONG("a LOGIN {4097}\r\n"), WRONG("a LOGIN {40960}\r\n"),
	    WRONG("a LOGIN u {40961}\r\n"), WRONG("a LOGIN {18446744073709551617}\r\n"));
}

/* Behind the end of a text is what an earlier command has left there: a digit, a quote, the end of a line. */
static void
T18_text_that_is_cut_is_no_command(void **state)
{
	static const struct bytes rows[] = {
		BYTES("a NOOP\r\n"),
		BYTES("a LOGIN u p\r\n"),
		BYTES("a LOGIN \"u\\\\\" \"p\\\"\"\r\n"),
		BYTES("a LOGIN {12+}\r\n123456789012 {1+}\r\np\r\n"),
		BYTES("a ID (\"a\" NIL \"b\" {1+}\r\nc)\r\n"),
		BYTES("a AUTHENTICATE PLAIN =\r\n"),
	};
	char tag[COMMAND_TAG_MAX + 1], mechanism[COMMAND_NAME_MAX + 1];
	struct command_string user, password;
	struct command_span initial;
	size_t i, whole;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		feed_once(&feeding, rows[i], rows[i].len, 1);
		expect_fed(&feeding, feeding.event == COMMAND_READY);
		for (whole = feeding.c.len; feeding.c.len-- > 0;) {
			expect_fed(&feeding, command_tag(&feeding.c, tag) == (feeding.c.len > 1));
			expect_fed(&feeding, command_no_arguments(&feeding.c) == COMMAND_BAD);
			expect_fed(&feeding, command_login(&feeding.c, &user, &password) != COMMAND_GOOD);
			expect_fed(&feeding, command_authenticate(&feeding.c, mechanism, &initial) == COMMAND_BAD);
			expect_fed(&feeding, command_id(&feeding.c) != COMMAND_GOOD);
		}
		feeding.c.len = whole;
	}
}

static void
L1_login_in_all_forms(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES("a LOGIN joe secret\r\n", "joe", "secret"),
	    NAMES("a login joe secret\n", "joe", "secret"), NAMES("a LOGIN \"joe\" \"sec ret\"\r\n", "joe", "sec ret"),
	    NAMES("a LOGIN {3}\r\njoe {6}\r\nsecret\r\n", "joe", "secret"),
	    NAMES("a LOGIN {3+}\r\njoe {6+}\r\nsecret\r\n", "joe", "secret"),
	    NAMES("a LOGIN {3+}\njoe {6}\nsecret\n", "joe", "secret"),
	    NAMES("a LOGIN joe {6+}\r\nsecret\r\n", "joe", "secret"),
	    NAMES("a LOGIN {00003+}\r\njoe secret\r\n", "joe", "secret"),
	    NAMES("a LOGIN joe@example.org p\r\n", "joe@example.org", "p"));
}

static void
X4_login_with_too_little_or_too_much(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, WRONG("a LOGIN\r\n"), WRONG("a LOGIN u\r\n"), WRONG("a LOGIN u p q\r\n"),
	    WRONG("a LOGIN  u p\r\n"), WRONG("a LOGIN u  p\r\n"), WRONG("a LOGIN u\tp\r\n"), WRONG("a LOGIN (u p)\r\n"),
	    WRONG("a LOGIN (u) p\r\n"), WRONG("a LOGIN u \"p\" q\r\n"), WRONG("a LOGIN u {1+}\r\npx\r\n"),
	    WRONG("a LOGIN u {1+}\r\np x\r\n"), WRONG("a LOGIN u {1+}\r\np{1+}\r\nx\r\n"),
	    WRONG("a LOGIN u {1+}\r\np {1+}\r\nx\r\n"), WRONG("a LOGIN u {1+}\r\np {0+}\r\n\r\n"),
	    WRONG("a LOGIN u\0 p\r\n"), WRONG("a LOGIN u p\r\r\n"));
}

static void
T15_what_announces_no_literal_is_no_argument(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, WRONG("a LOGIN {}\r\n"), WRONG("a LOGIN {+}\r\n"), WRONG("a LOGIN u {}\r\n"),
	    WRONG("a LOGIN u {+}\r\n"), WRONG("a LOGIN u {-1}\r\n"), WRONG("a LOGIN u {5++}\r\n"),
	    WRONG("a LOGIN u {5} \r\n"), WRONG("a LOGIN u {5}x\r\n"), WRONG("a LOGIN {} p\r\n"),
	    WRONG("a LOGIN {0} p\r\n"), WRONG("a LOGIN {1}u p\r\n"), WRONG("a LOGIN {1 }\r\n"));
	ARGUMENTS(ID, COMMAND_READY, WRONG("a ID ({}\r\n"), WRONG("a ID (\"a\" {})\r\n"), WRONG("a ID (\"a\" {}\r\n"));
}

static void
LIT8_space_stands_between_literals(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, WRONG("a LOGIN {1+}\r\nu{1+}\r\np\r\n"), WRONG("a LOGIN {1}\r\nu{1}\r\np\r\n"),
	    WRONG("a LOGIN {1+}\r\nu  {1+}\r\np\r\n"), WRONG("a LOGIN {1+}\r\nup\r\n"),
	    WRONG("a LOGIN{1+}\r\nu p\r\n"));
}

static void
LIT10_literal_holds_line_ends_and_8_bit(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES("a LOGIN u {4+}\r\na\r\nb\r\n", "u", "a\r\nb"),
	    NAMES("a LOGIN u {4}\r\na\r\nb\r\n", "u", "a\r\nb"), NAMES("a LOGIN u {2+}\n\r\n\n", "u", "\r\n"),
	    NAMES("a LOGIN u {1+}\r\n\r\n", "u", "\r"), NAMES("a LOGIN u {1+}\r\n\r\r\n", "u", "\r"),
	    NAMES("a LOGIN u {1+}\r\n\n\r\n", "u", "\n"),
	    NAMES("a LOGIN {2+}\r\n\xc3\xa4 {3+}\r\n\xff\xfe\x80\r\n", "\xc3\xa4", "\xff\xfe\x80"),
	    NAMES("a LOGIN u {6+}\r\n{9+}\r\n\r\n", "u", "{9+}\r\n"),
	    NAMES("a LOGIN {5+}\r\n(\"\\*% {1+}\r\n)\r\n", "(\"\\*%", ")"));
}

static void
LIT3_empty_literal_is_an_empty_string(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES("a LOGIN {0}\r\n x\r\n", "", "x"),
	    NAMES("a LOGIN {0+}\r\n {0+}\r\n\r\n", "", ""), NAMES("a LOGIN u {0}\n\n", "u", ""),
	    NAMES("a LOGIN \"\" \"\"\r\n", "", ""));
}

static void
X9_nul_is_never_allowed(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, WRONG("a LOGIN {3+}\r\nu\0v p\r\n"), WRONG("a LOGIN u {5+}\r\nsecr\0\r\n"),
	    WRONG("a LOGIN u {1}\r\n\0\r\n"), WRONG("a LOGIN \"u\0\" p\r\n"), WRONG("a LOGIN u \"\0\"\r\n"),
	    WRONG("a LOGIN u\0v p\r\n"), WRONG("a LOGIN u p\0\r\n"), WRONG("a LOGIN u \"p\"\0\r\n"),
	    WRONG("a LOGIN u \"\\\0\"\r\n"));
	ARGUMENTS(ID, COMMAND_READY, WRONG("a ID (\"a\0\" \"b\")\r\n"), WRONG("a ID (\"a\" {1+}\r\n\0)\r\n"),
	    WRONG("a ID NIL\0\r\n"));
}

static void
X10_astring_and_nil(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES("a LOGIN u~x ]p~w[\r\n", "u~x", "]p~w["),
	    NAMES("a LOGIN nil NIL\r\n", "nil", "NIL"), NAMES("a LOGIN \"NIL\" {3+}\r\nNIL\r\n", "NIL", "NIL"),
	    NAMES("a LOGIN +a !#$&'+,-./0:;<=>?@[]^_`|}~\r\n", "+a", "!#$&'+,-./0:;<=>?@[]^_`|}~"),
	    WRONG("a LOGIN u p(\r\n"), WRONG("a LOGIN u p)\r\n"), WRONG("a LOGIN u p{w\r\n"), WRONG("a LOGIN u p%\r\n"),
	    WRONG("a LOGIN u p*\r\n"), WRONG("a LOGIN u p\"w\r\n"), WRONG("a LOGIN u p\\w\r\n"),
	    WRONG("a LOGIN u p\001w\r\n"), WRONG("a LOGIN u p\177w\r\n"));
}

static void
X11_quoted_has_two_escapes(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES("a LOGIN \"a\\\"b\" \"\\\\\"\r\n", "a\"b", "\\"),
	    NAMES("a LOGIN \"\\\\\\\"\" \"{9+}\"\r\n", "\\\"", "{9+}"),
	    NAMES("a LOGIN \"(a)%*{}] \" \" \"\r\n", "(a)%*{}] ", " "), WRONG("a LOGIN \"a\\x\" p\r\n"),
	    WRONG("a LOGIN \"a\\n\" p\r\n"), WRONG("a LOGIN u \"\\\r\n"), WRONG("a LOGIN u \"p\\\"\r\n"),
	    WRONG("a LOGIN u \"p\r\n"), WRONG("a LOGIN u \"\r\n"), WRONG("a LOGIN u \"p\"\"\r\n"),
	    WRONG("a LOGIN u \"p\"q\r\n"), WRONG("a LOGIN \"u\"\"p\"\r\n"), WRONG("a LOGIN \"u\"p p\r\n"),
	    WRONG("a LOGIN u \"a\rb\"\r\n"), WRONG("a LOGIN u \"a\r\n"));
}

static void
X12_quoted_passes_8_bit_octets_unchanged(void **state)
{
	(void)state;
	ARGUMENTS(LOGIN, COMMAND_READY, NAMES("a LOGIN \"\xc3\xa4\" \"\xff\x80\"\r\n", "\xc3\xa4", "\xff\x80"));
}

/* --- AUTHENTICATE -------------------------------------------------------- */

struct authenticate_row {
	struct bytes		 in;
	const char		*mechanism;	/* NULL: BAD */
	const char		*initial;	/* NULL: none */
};

static void
check_authenticate(const struct feeding *f, const void *arg)
{
	const struct authenticate_row *row = arg;
	char mechanism[COMMAND_NAME_MAX + 1];
	struct command_span initial = { "left over", 9 };
	enum command_outcome verdict = command_authenticate(&f->c, mechanism, &initial);

	expect_fed(f, f->event == COMMAND_READY);
	expect_fed(f, f->used == row->in.len);
	expect_fed(f, verdict == (row->mechanism != NULL ? COMMAND_GOOD : COMMAND_BAD));
	if (verdict != COMMAND_GOOD)
		return;
	assert_string_equal(mechanism, row->mechanism);
	expect_fed(f, (initial.text != NULL) == (row->initial != NULL));
	if (row->initial == NULL) {
		expect_fed(f, initial.len == 0);
		return;
	}
	expect_fed(f, initial.len == strlen(row->initial));
	expect_fed(f, memcmp(initial.text, row->initial, initial.len) == 0);
}

static void
authenticates(bool strict, const struct authenticate_row *rows, size_t n)
{
	size_t i;

	feeding.invite = ALL;
	feeding.c.strict = strict;
	for (i = 0; i < n; i++)
		feed_with_sentinel(&feeding, rows[i].in, check_authenticate, &rows[i]);
	feeding.c.strict = false;
}

#define AUTHENTICATES(strict, ...)	do {					\
	static const struct authenticate_row rows[] = { __VA_ARGS__ };		\
	authenticates(strict, rows, sizeof(rows) / sizeof(rows[0]));		\
} while (0)

static void
A5_initial_response_is_optional(void **state)
{
	(void)state;
	AUTHENTICATES(false, { BYTES("a AUTHENTICATE PLAIN\r\n"), "PLAIN", NULL },
	    { BYTES("a authenticate plain\n"), "PLAIN", NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEAYg==\r\n"), "PLAIN", "AGEAYg==" },
	    { BYTES("a AUTHENTICATE pLaIn aGeAyG==\n"), "PLAIN", "aGeAyG==" },
	    { BYTES("a AUTHENTICATE PLAIN a+/b\r\n"), "PLAIN", "a+/b" },
	    { BYTES("a AUTHENTICATE SCRAM-SHA-256-PLUS\r\n"), "SCRAM-SHA-256-PLUS", NULL },
	    { BYTES("a AUTHENTICATE KERBEROS_V4\r\n"), "KERBEROS_V4", NULL },
	    { BYTES("a AUTHENTICATE aaaaaaaaaabbbbbbbbbbccccccccccddddd\r\n"), "AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDD",
		NULL });
}

static void
A6_equals_sign_is_an_empty_response(void **state)
{
	(void)state;
	AUTHENTICATES(false, { BYTES("a AUTHENTICATE PLAIN =\r\n"), "PLAIN", "=" });
	AUTHENTICATES(true, { BYTES("a AUTHENTICATE PLAIN =\n"), "PLAIN", "=" });
}

static void
A10_mechanism_is_an_atom_between_single_spaces(void **state)
{
	(void)state;
	AUTHENTICATES(false, { BYTES("a AUTHENTICATE\r\n"), NULL, NULL }, { BYTES("a AUTHENTICATE \r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE  PLAIN\r\n"), NULL, NULL }, { BYTES("a AUTHENTICATE \"PLAIN\"\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE {5+}\r\nPLAIN\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN\r\r\n"), NULL, NULL }, { BYTES("a AUTHENTICATE PLAIN\0\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN\"\"\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN  AGEAYg==\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEAYg== x\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEA Yg==\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEA\rYg==\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEA\0\r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN\tAGEA\r\n"), NULL, NULL });
}

static void
X7_trailing_space_after_authenticate(void **state)
{
	(void)state;
	AUTHENTICATES(false, { BYTES("a AUTHENTICATE PLAIN \r\n"), "PLAIN", NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEAYg== \r\n"), "PLAIN", "AGEAYg==" });
	AUTHENTICATES(true, { BYTES("a AUTHENTICATE PLAIN \r\n"), NULL, NULL },
	    { BYTES("a AUTHENTICATE PLAIN AGEAYg== \r\n"), NULL, NULL });
}

static void
check_initial_refused(const struct feeding *f, const void *arg)
{
	char mechanism[COMMAND_NAME_MAX + 1], out[SASL_MESSAGE_MAX];
	struct command_span initial;
	size_t len;

	(void)arg;
	expect_fed(f, f->event == COMMAND_READY);
	if (command_authenticate(&f->c, mechanism, &initial) == COMMAND_GOOD)
		expect_fed(f, initial.text != NULL && !sasl_decode(initial.text, initial.len, out, &len));
}

/* Whether the parser or the decoder finds out: the client sees BAD. */
static void
A3_initial_response_that_is_no_base64_is_bad(void **state)
{
	static const struct bytes rows[] = {
		BYTES("a AUTHENTICATE PLAIN =AAA\r\n"),
		BYTES("a AUTHENTICATE PLAIN AAA=BBB\r\n"),
		BYTES("a AUTHENTICATE PLAIN A\r\n"),
		BYTES("a AUTHENTICATE PLAIN AA\r\n"),
		BYTES("a AUTHENTICATE PLAIN AA=A\r\n"),
		BYTES("a AUTHENTICATE PLAIN A AA\r\n"),
		BYTES("a AUTHENTICATE PLAIN AAAA====\r\n"),
		BYTES("a AUTHENTICATE PLAIN ==\r\n"),
		BYTES("a AUTHENTICATE PLAIN *\r\n"),
		BYTES("a AUTHENTICATE PLAIN QR==\r\n"),
		BYTES("a AUTHENTICATE PLAIN {4+}\r\nAGEA\r\n"),
		BYTES("a AUTHENTICATE PLAIN {0+}\r\n\r\n"),
		BYTES("a AUTHENTICATE PLAIN \"AGEAYg==\"\r\n"),
		BYTES("a AUTHENTICATE PLAIN \"AGEAY\"==\r\n"),
		BYTES("a AUTHENTICATE PLAIN (AGE)\r\n"),
		BYTES("a AUTHENTICATE PLAIN AGE\xc3\xa4\r\n"),
		BYTES("a AUTHENTICATE PLAIN AGE\177\r\n"),
	};
	size_t i;

	(void)state;
	feeding.invite = ALL;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		feed_with_sentinel(&feeding, rows[i], check_initial_refused, NULL);
}

/* Printable ASCII may be base64, all else ends the argument. */
static void
A3_initial_response_is_printable(void **state)
{
	char text[] = "a AUTHENTICATE PLAIN AGE?\r\n", *at = strchr(text, '?'), mechanism[COMMAND_NAME_MAX + 1];
	const struct bytes in = { text, sizeof(text) - 1 };
	struct command_span initial;
	int ch;

	(void)state;
	for (ch = 0; ch < 256; ch++) {
		if (ch == '\n' || ch == '\r' || ch == ' ')
			continue;
		*at = (char)ch;
		feed_once(&feeding, in, in.len, 1);
		expect_fed(&feeding, feeding.event == COMMAND_READY);
		expect_fed(&feeding, (command_authenticate(&feeding.c, mechanism, &initial) == COMMAND_GOOD) == (ch > ' ' && ch < 0x7f));
	}
}

/* RFC 4959, 3. No literal can be an argument of AUTHENTICATE, so none may be invited. */
static void
LIT11_authenticate_awaits_no_literal(void **state)
{
	static const struct bytes rows[] = {
		BYTES("a AUTHENTICATE {5}\r\n"),
		BYTES("a AUTHENTICATE PLAIN {4}\r\n"),
		BYTES("a AUTHENTICATE PLAIN AGEA {4}\r\n"),
		BYTES("a AUTHENTICATE PLAIN{4}\r\n"),
		BYTES("a AUTHENTICATE{4}\r\n"),
	};
	char mechanism[COMMAND_NAME_MAX + 1];
	struct command_span initial;
	size_t i;

	(void)state;
	feeding.invite = 0;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		feed_once(&feeding, rows[i], rows[i].len, 1);
		expect_fed(&feeding, feeding.event == COMMAND_LITERAL);
		expect_fed(&feeding, command_authenticate(&feeding.c, mechanism, &initial) != COMMAND_UNFINISHED);
	}
}

/* --- ID ------------------------------------------------------------------ */

static void
ID1_nil_or_list(void **state)
{
	(void)state;
	ARGUMENTS(ID, COMMAND_READY, GOOD("a ID NIL\r\n"), GOOD("a id nil\n"), GOOD("a ID (\"name\" \"x\")\r\n"),
	    GOOD("a ID (\"name\" \"x\" \"version\" \"1\")\r\n"), WRONG("a ID\r\n"), WRONG("a ID  NIL\r\n"),
	    WRONG("a ID NILx\r\n"), WRONG("a ID NIL NIL\r\n"), WRONG("a ID x\r\n"), WRONG("a ID \"name\" \"x\"\r\n"),
	    WRONG("a ID (\"name\" \"x\"\r\n"), WRONG("a ID \"name\" \"x\")\r\n"), WRONG("a ID (\r\n"),
	    WRONG("a ID )\r\n"), WRONG("a ID (\"name\" \"x\"))\r\n"), WRONG("a ID (\"name\" \"x\") x\r\n"),
	    WRONG("a ID((\"a\" \"b\"))\r\n"), WRONG("a ID ((\"a\" \"b\"))\r\n"), WRONG("a ID (\"a\" (\"b\"))\r\n"),
	    WRONG("a ID NI\r\n"), WRONG("a ID(\"a\" \"b\")\r\n"));
}

static void
ID2_pairs_are_complete_and_no_name_comes_twice(void **state)
{
	(void)state;
	ARGUMENTS(ID, COMMAND_READY, WRONG("a ID (\"name\")\r\n"), WRONG("a ID (\"name\" )\r\n"),
	    WRONG("a ID (\"a\" \"b\" \"c\")\r\n"), WRONG("a ID (\"a\" \"b\" )\r\n"),
	    WRONG("a ID (\"a\" \"b\"\"c\" \"d\")\r\n"), WRONG("a ID (\"a\"\"b\")\r\n"),
	    WRONG("a ID (\"a\"  \"b\")\r\n"), WRONG("a ID (\"a\" \"b\" \"a\" \"c\")\r\n"),
	    WRONG("a ID (\"name\" \"b\" \"NAME\" \"c\")\r\n"), WRONG("a ID (\"a\" NIL \"b\" NIL \"b\" NIL)\r\n"),
	    WRONG("a ID (\"a\" NIL \"b\" NIL \"c\" NIL \"C\" NIL)\r\n"), WRONG("a ID (\"a\" NIL \"b\" NIL {1+}\r\na NIL)\r\n"),
	    WRONG("a ID (\"a\\\"\" NIL {2+}\r\na\" NIL)\r\n"), GOOD("a ID (\"a\" \"x\" \"aa\" \"x\" \"\" \"x\")\r\n"));
}

static void
ID3_strings_may_be_literals_but_no_atoms(void **state)
{
	(void)state;
	ARGUMENTS(ID, COMMAND_READY, GOOD("a ID (\"name\" {1+}\r\nx)\r\n"), GOOD("a ID ({4+}\r\nname \"x\")\r\n"),
	    GOOD("a ID ({4}\r\nname {3}\r\n)\r\n)\r\n"), GOOD("a ID ({4}\nname {0}\n)\n"),
	    WRONG("a ID (name \"x\")\r\n"), WRONG("a ID (\"name\" x)\r\n"), WRONG("a ID (NIL \"x\")\r\n"),
	    WRONG("a ID {4+}\r\nname\r\n"), WRONG("a ID ({4+}\r\nname)\r\n"), WRONG("a ID (\"name\" {1+}\r\nxx)\r\n"),
	    WRONG("a ID ({4+}\r\nname{1+}\r\nx)\r\n"));
}

static void
ID4_values_may_be_nil_and_the_list_empty(void **state)
{
	(void)state;
	ARGUMENTS(ID, COMMAND_READY, GOOD("a ID ()\r\n"), GOOD("a ID (\"name\" NIL)\r\n"),
	    GOOD("a ID (\"name\" nil \"x\" NiL)\r\n"), WRONG("a ID (\"name\" NILx)\r\n"),
	    WRONG("a ID (\"name\" NI)\r\n"), WRONG("a ID (\"name\" NIL\"x\" NIL)\r\n"));
}

/* "a ID (" and pairs of a name and a value that long, quoted or as literals, all names different. */
static size_t
id_of(char *to, size_t pairs, size_t name_len, size_t value_len, bool literals)
{
	char *at = stpcpy(to, "a ID (");
	size_t i;

	for (i = 0; i < pairs; i++) {
		at += sprintf(at, literals ? "%s{%zu+}\r\n" : "%s\"", i > 0 ? " " : "", name_len);
		memset(at, 'n', name_len);
		if (name_len > 1) {
			at[0] = (char)('A' + i / 10);
			at[1] = (char)('0' + i % 10);
		}
		at += name_len;
		at += sprintf(at, literals ? " {%zu+}\r\n" : "\" \"", value_len);
		memset(at, 'v', value_len);
		at += value_len;
		at = stpcpy(at, literals ? "" : "\"");
	}
	return (size_t)(stpcpy(at, ")\r\n") - to);
}

static void
ID2_limits_of_lengths_and_number(void **state)
{
	static const struct {
		size_t pairs, name, value;
		enum command_outcome verdict;
	} rows[] = {
		{ 1, 29, 5, COMMAND_GOOD },
		{ 1, 30, 5, COMMAND_GOOD },
		{ 1, 31, 5, COMMAND_BAD },
		{ 1, 511, 5, COMMAND_BAD },
		{ 1, 512, 5, COMMAND_BAD },
		{ 1, 4096, 5, COMMAND_BAD },
		{ 1, 5, 511, COMMAND_GOOD },
		{ 1, 5, 512, COMMAND_GOOD },
		{ 1, 5, 1023, COMMAND_GOOD },
		{ 1, 5, 1024, COMMAND_GOOD },
		{ 1, 5, 1025, COMMAND_BAD },
		{ 1, 5, 4096, COMMAND_BAD },
		{ 29, 5, 5, COMMAND_GOOD },
		{ 30, 5, 5, COMMAND_GOOD },
		{ 31, 5, 5, COMMAND_BAD },
		{ 60, 5, 5, COMMAND_BAD },
		{ 30, 30, 400, COMMAND_GOOD },
		{ 1, 0, 0, COMMAND_GOOD },
	};
	static char in[32768];
	size_t i, len;
	int literals;

	(void)state;
	feeding.invite = ALL;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (literals = 0; literals <= 1; literals++) {
			len = id_of(in, rows[i].pairs, rows[i].name, rows[i].value, literals);
			feed_once(&feeding, (struct bytes){ in, len }, literals ? 1 : len, 1);
			expect_fed(&feeding, feeding.event == COMMAND_READY);
			expect_fed(&feeding, command_id(&feeding.c) == rows[i].verdict);
		}
	}
}

static void
T14_parentheses_cost_nothing(void **state)
{
	static char in[1024 * 1024];
	size_t n;

	(void)state;
	for (n = 100; n <= sizeof(in) - 8; n = n < 10000 ? 10000 : n + 1) {
		strcpy(in, "a ID ");
		memset(in + 5, '(', n);
		strcpy(in + 5 + n, "\r\n");
		feed_once(&feeding, (struct bytes){ in, n + 7 }, 4096, 4096);
		expect_fed(&feeding, feeding.event == COMMAND_READY);
		expect_fed(&feeding, command_id(&feeding.c) == COMMAND_BAD);
		memset(in + 5, ')', n);
		feed_once(&feeding, (struct bytes){ in, n + 7 }, 4096, 4096);
		expect_fed(&feeding, command_id(&feeding.c) == COMMAND_BAD);
		if (n >= 10000)
			break;
	}
	strcpy(in, "a ID ");
	memset(in + 5, '(', sizeof(in) - 8);
	memcpy(in + sizeof(in) - 3, "\r\n", 2);
	feed_once(&feeding, (struct bytes){ in, sizeof(in) - 1 }, 4096, 4096);
	expect_fed(&feeding, feeding.event == COMMAND_TOO_LONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(X1_words_are_in_upper_case),
		cmocka_unit_test(X2_tags_that_can_be_repeated),
		cmocka_unit_test(X3_bad_tags_are_none),
		cmocka_unit_test(X5_lines_without_tag_or_word),
		cmocka_unit_test(tag_of_128_octets_is_the_longest),
		cmocka_unit_test(X4_no_arguments_where_there_are_none),
		cmocka_unit_test(X7_trailing_space_only_minds_when_strict),
		cmocka_unit_test(T25_what_stands_before_the_line_end),
		cmocka_unit_test(LIT2_command_that_is_wrong_already_invites_no_literal),
		cmocka_unit_test(LIT1_command_that_is_good_so_far_awaits_its_literal),
		cmocka_unit_test(LIT7_number_over_the_limit_is_no_literal),
		cmocka_unit_test(T18_text_that_is_cut_is_no_command),
		cmocka_unit_test(L1_login_in_all_forms),
		cmocka_unit_test(X4_login_with_too_little_or_too_much),
		cmocka_unit_test(T15_what_announces_no_literal_is_no_argument),
		cmocka_unit_test(LIT8_space_stands_between_literals),
		cmocka_unit_test(LIT10_literal_holds_line_ends_and_8_bit),
		cmocka_unit_test(LIT3_empty_literal_is_an_empty_string),
		cmocka_unit_test(X9_nul_is_never_allowed),
		cmocka_unit_test(X10_astring_and_nil),
		cmocka_unit_test(X11_quoted_has_two_escapes),
		cmocka_unit_test(X12_quoted_passes_8_bit_octets_unchanged),
		cmocka_unit_test(A5_initial_response_is_optional),
		cmocka_unit_test(A6_equals_sign_is_an_empty_response),
		cmocka_unit_test(A10_mechanism_is_an_atom_between_single_spaces),
		cmocka_unit_test(X7_trailing_space_after_authenticate),
		cmocka_unit_test(A3_initial_response_that_is_no_base64_is_bad),
		cmocka_unit_test(A3_initial_response_is_printable),
		cmocka_unit_test(LIT11_authenticate_awaits_no_literal),
		cmocka_unit_test(ID1_nil_or_list),
		cmocka_unit_test(ID2_pairs_are_complete_and_no_name_comes_twice),
		cmocka_unit_test(ID3_strings_may_be_literals_but_no_atoms),
		cmocka_unit_test(ID4_values_may_be_nil_and_the_list_empty),
		cmocka_unit_test(ID2_limits_of_lengths_and_number),
		cmocka_unit_test(T14_parentheses_cost_nothing),
	};

	return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
