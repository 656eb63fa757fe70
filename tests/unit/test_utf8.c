/*
 * UTF-8 (RFC 3629), and which text may be a name or a password (RFC 4616, 2).
 */

#include "proto/sasl.h"
#include "proto/utf8.h"
#include "unit.h"

/* Length of the character that begins here, worked out from its value: a second opinion on the table in utf8.c. */
static size_t
utf8_by_value(const unsigned char *s, size_t len)
{
	size_t n = len == 0 ? 0
	    : s[0] < 0x80   ? 1
	    : s[0] < 0xc0   ? 0
	    : s[0] < 0xe0   ? 2
	    : s[0] < 0xf0   ? 3
	    : s[0] < 0xf8   ? 4
			    : 0,
	       i;
	uint32_t value;

	if (n == 0 || n > len)
		return 0;
	value = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
		value = value << 6 | (s[i] & 0x3fu);
	}
	if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return n == (value < 0x80 ? 1u : value < 0x800 ? 2u : value < 0x10000 ? 3u : 4u) ? n : 0;
}

static void
check_utf8(const unsigned char *s, size_t len)
{
	if (utf8_sequence((const char *)s, len) != utf8_by_value(s, len))
		fail_msg("%zu octets %02x %02x %02x %02x: %zu, not %zu", len, s[0], s[1], s[2], s[3],
		    utf8_sequence((const char *)s, len), utf8_by_value(s, len));
}

static void
T17_all_sequences_of_up_to_three_octets(void **state)
{
	unsigned char s[4] = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 0x1000000; i++) {
		s[0] = (unsigned char)(i >> 16);
		s[1] = (unsigned char)(i >> 8);
		s[2] = (unsigned char)i;
		check_utf8(s, 3);
		if (s[2] == 0)
			check_utf8(s, 2);
		if (s[2] == 0 && s[1] == 0)
			check_utf8(s, 1);
	}
}

/* Octets at which something changes, in every place of four. */
static void
T17_sequences_of_four_octets(void **state)
{
	static const unsigned char edges[] = { 0x00, 0x01, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
		0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfb, 0xfc,
		0xfe, 0xff };
	const size_t n = sizeof(edges);
	unsigned char s[4];
	size_t i, len;

	(void)state;
	for (i = 0; i < n * n * n * n; i++) {
		s[0] = edges[i / (n * n * n)];
		s[1] = edges[i / (n * n) % n];
		s[2] = edges[i / n % n];
		s[3] = edges[i % n];
		for (len = 0; len <= 4; len++)
			check_utf8(s, len);
	}
}

/* C0, DEL and C1 (ISO 6429), of all characters of one and two octets; none that is longer. */
static void
control_characters(void **state)
{
	char s[3] = { 0 };
	uint32_t value;

	(void)state;
	for (value = 0; value < 0x80; value++) {
		s[0] = (char)value;
		assert_int_equal(utf8_is_control(s, 1), value < ' ' || value == 0x7f);
	}
	for (value = 0x80; value < 0x800; value++) {
		s[0] = (char)(0xc0 | value >> 6);
		s[1] = (char)(0x80 | (value & 0x3f));
		assert_int_equal(utf8_sequence(s, 2), 2);
		assert_int_equal(utf8_is_control(s, 2), value < 0xa0);
	}
	assert_false(utf8_is_control("\xe2\x80\x80", 3));
	assert_false(utf8_is_control("\xc2\x80", 0));
}

static void
T17_truncated_text_is_none(void **state)
{
	static const char *const characters[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
	char text[8];
	size_t i, len;

	(void)state;
	for (i = 0; i < ROWS(characters); i++) {
		for (len = 1; len <= strlen(characters[i]); len++) {
			strcpy(text, "ab");
			strncat(text, characters[i], len);
			assert_int_equal(sasl_is_text(text), len == strlen(characters[i]));
			assert_int_equal(sasl_is_text(text + 2), len == strlen(characters[i]));
		}
	}
}

static void
PL3_what_may_be_given_to_pam(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", false },
		{ "a", true },
		{ " ", true },
		{ "sec ret", true },
		{ "~", true },
		{ "\x7f", false },
		{ "a\x7f", false },
		{ "a\n", false },
		{ "\r", false },
		{ "a\tb", false },
		{ "\x1f", false },
		{ "\x01", false },
		{ "\x80", false },
		{ "\xc3\xa4", true },
		{ "\xe2\x82\xac", true },
		{ "\xf0\x9f\x98\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false },
		{ "\xc0\x80", false },
		{ "\xc0\xaf", false },
		{ "\xc1\xbf", false },
		{ "\xe0\x80\x80", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xf0\x80\x80\x80", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xed\x9f\xbf", true },
		{ "\xee\x80\x80", true },
		{ "\xed\xa0\xbd\xed\xb8\x80", false },
		{ "\xfe", false },
		{ "\xff", false },
		{ "\xf8\x88\x80\x80\x80", false },
		{ "a\xe2\x82", false },
		{ "\xe2\x82"
		  "a",
		    false },
		{ "\xf0\x9f\x98", false },
		{ "a\x80", false },
		{ "%n%s%s", true },
		{ "-/:", true },
	};
	size_t i;
	char text[3];

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		if (sasl_is_text(rows[i].text) != rows[i].good)
			fail_msg("row %zu is%s text", i, rows[i].good ? " no" : "");
	for (i = 1; i < 0x80; i++) {
		snprintf(text, sizeof(text), "a%c", (char)i);
		assert_int_equal(sasl_is_text(text), i >= ' ' && i != 0x7f);
	}
}

static void
T27_what_may_be_a_name(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "joe", true },
		{ "joe@example.org", true },
		{ "joe.doe", true },
		{ "joe-doe", true },
		{ "joe+tag", true },
		{ "j\xc3\xb6rg", true },
		{ "0", true },
		{ "JOE", true },
		{ "joe%x", true },
		{ "_joe", true },
		{ "", false },
		{ "-f root", false },
		{ "-froot", false },
		{ "-", false },
		{ "-schallenge", false },
		{ "+joe", false },
		{ "+", false },
		{ ".", false },
		{ "..", false },
		{ ".joe", false },
		{ "../joe", false },
		{ "/", false },
		{ "joe/x", false },
		{ "joe/", false },
		{ "/etc/passwd", false },
		{ "joe:x", false },
		{ ":", false },
		{ "joe:", false },
		{ "joe\n", false },
		{ "joe\nroot", false },
		{ "joe\t", false },
		{ "joe\x7f", false },
		{ "joe\xff", false },
		{ "\xc0\xae", false },
	};
	char name[SASL_NAME_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		if (sasl_is_name(rows[i].name) != rows[i].good)
			fail_msg("row %zu (%s) is%s a name", i, rows[i].name, rows[i].good ? " not" : "");
	memset(name, 'n', SASL_NAME_MAX);
	name[SASL_NAME_MAX] = '\0';
	assert_true(sasl_is_name(name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T17_all_sequences_of_up_to_three_octets),
		cmocka_unit_test(T17_sequences_of_four_octets),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(T17_truncated_text_is_none),
		cmocka_unit_test(PL3_what_may_be_given_to_pam),
		cmocka_unit_test(T27_what_may_be_a_name),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
