/*
 * Responses: each form to the octet, and that no text, however hostile,
 * makes a line that the grammar does not know (RFC 9051, 9).
 */

#include "proto/reply.h"
#include "proto/utf8.h"
#include "unit.h"

static struct reply reply;

static void
is_reply(const char *wanted)
{
	char text[REPLY_MAX + 1];

	assert_true(reply.len <= REPLY_MAX);
	memcpy(text, reply.text, reply.len);
	text[reply.len] = '\0';
	assert_string_equal(text, wanted);
	assert_false(reply.cut);
	reply.len = 0;
}

static int
empty_reply(void **state)
{
	(void)state;
	memset(&reply, 0, sizeof(reply));
	return 0;
}

static void
a_line_has_tag_status_code_and_text(void **state)
{
	(void)state;
	reply_line(&reply, "a", "OK", NULL, "NOOP completed");
	is_reply("a OK NOOP completed\r\n");
	reply_line(&reply, "a]", "NO", "PRIVACYREQUIRED", "Use STARTTLS first");
	is_reply("a] NO [PRIVACYREQUIRED] Use STARTTLS first\r\n");
	reply_line(&reply, "*", "BYE", NULL, "Logging out");
	is_reply("* BYE Logging out\r\n");
	reply_line(&reply, "*", "OK", "CAPABILITY IMAP4rev1 ID", "imapgate ready");
	is_reply("* OK [CAPABILITY IMAP4rev1 ID] imapgate ready\r\n");
}

static void
lines_are_collected(void **state)
{
	(void)state;
	reply_data(&reply, "CAPABILITY IMAP4rev1 SASL-IR");
	reply_line(&reply, "a", "OK", NULL, "Capability completed");
	is_reply("* CAPABILITY IMAP4rev1 SASL-IR\r\na OK Capability completed\r\n");
	reply_data(&reply, "ID (\"name\" \"imapgate\")");
	is_reply("* ID (\"name\" \"imapgate\")\r\n");
}

static void
LIT1_invitation_of_a_literal(void **state)
{
	(void)state;
	reply_continue(&reply, "OK");
	is_reply("+ OK\r\n");
}

static void
A1_challenge_is_base64_and_an_empty_one_keeps_its_space(void **state)
{
	(void)state;
	reply_challenge(&reply, "", 0);
	is_reply("+ \r\n");
	reply_challenge(&reply, "Username:", 9); /* LG1 */
	is_reply("+ VXNlcm5hbWU6\r\n");
	reply_challenge(&reply, "Password:", 9);
	is_reply("+ UGFzc3dvcmQ6\r\n");
	reply_challenge(&reply, "f", 1);
	is_reply("+ Zg==\r\n");
	reply_challenge(&reply, "fo", 2);
	is_reply("+ Zm8=\r\n");
	reply_challenge(&reply, "\0\xff\xfe\r\n", 5);
	is_reply("+ AP/+DQo=\r\n");
}

static void
challenge_of_any_length_is_whole_or_left_out(void **state)
{
	static char challenge[8192];
	size_t len;

	(void)state;
	memset(challenge, 'A', sizeof(challenge));
	for (len = 0; len <= sizeof(challenge); len++) {
		memset(&reply, 0, sizeof(reply));
		reply_challenge(&reply, challenge, len);
		if (reply.cut)
			assert_int_equal(reply.len, 0);
		else
			assert_int_equal(reply.len, 2 + (len + 2) / 3 * 4 + 2);
		assert_int_equal(reply.cut, len > 192);
	}
}

static void
P5_prefix_ends_before_the_text(void **state)
{
	(void)state;
	reply_prefix(&reply, "a1");
	is_reply("a1 OK ");
	reply_data(&reply, "CAPABILITY IMAP4rev1");
	reply_prefix(&reply, "a1");
	is_reply("* CAPABILITY IMAP4rev1\r\na1 OK ");
}

/* The answer to the login first, if the client waits for one; then BYE in any case (RFC 9051, 7.1.5). */
static void
RC4_mailbox_that_can_not_be_had(void **state)
{
	(void)state;
	reply_no_mailbox(&reply, "a");
	is_reply("a NO [UNAVAILABLE] Your mailbox can't be opened at the moment\r\n* BYE [UNAVAILABLE] Please try again later\r\n");
	reply_no_mailbox(&reply, "");
	is_reply("* BYE [UNAVAILABLE] Please try again later\r\n");
}

static void
each_failure_has_words(void **state)
{
	const struct reply_words *words;
	uint32_t outcome;

	(void)state;
	for (outcome = 0; outcome < 5000; outcome++) {
		words = reply_outcome(outcome);
		assert_int_equal(words != NULL, outcome > OUTCOME_OK && outcome <= OUTCOME_LIMIT);
		assert_true(words == NULL || (strlen(words->code) > 0 && strlen(words->text) > 0));
	}
	assert_null(reply_outcome(UINT32_MAX));
	assert_string_equal(reply_outcome(OUTCOME_EXPIRED)->code, "EXPIRED");
}

/* Whole lines only, whatever did not fit. */
static void
assert_whole_lines(void)
{
	assert_true(reply.len <= REPLY_MAX);
	assert_true(reply.len >= 2);
	assert_memory_equal(reply.text + reply.len - 2, "\r\n", 2);
}

static void
what_does_not_fit_is_left_out_as_a_whole_line(void **state)
{
	char text[600], data[REPLY_MAX + 10];
	size_t len, before;

	(void)state;
	for (len = 1; len < sizeof(text); len++) {
		memset(text, 't', len);
		text[len] = '\0';
		memset(&reply, 0, sizeof(reply));
		while (!reply.cut) {
			before = reply.len;
			reply_line(&reply, "a", "OK", NULL, text);
			assert_whole_lines();
			assert_int_equal(reply.len, reply.cut ? before : before + len + 7);
		}
		assert_true(reply.len + len + 7 > REPLY_MAX);
	}
	memset(data, 'd', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	reply_data(&reply, data);
	reply_continue(&reply, data);
	assert_whole_lines();
	memset(&reply, 0, sizeof(reply));
	reply_data(&reply, data);
	assert_true(reply.cut);
	assert_int_equal(reply.len, 0);
	reply_line(&reply, "a", "BAD", NULL, "Command line too long");
	assert_whole_lines();
}

static void
prefix_that_does_not_fit_is_left_out(void **state)
{
	char text[2];
	size_t before;

	(void)state;
	strcpy(text, "t");
	while (!reply.cut)
		reply_line(&reply, "a", "OK", NULL, text);
	reply.cut = false;
	before = reply.len;
	reply_prefix(&reply, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	assert_true(reply.cut);
	assert_int_equal(reply.len, before);
}

/* --- hostile text -------------------------------------------------------- */

/* TAG SP "OK" SP "[ALERT]" SP 1*TEXT-CHAR CR LF, and no other line end or NUL. */
static void
assert_alert(const char *text)
{
	static const char start[] = "* OK [ALERT] ";

	memset(&reply, 0, sizeof(reply));
	reply_line(&reply, "*", "OK", "ALERT", text);
	assert_whole_lines();
	assert_true(reply.len > sizeof(start) - 1 + 2);
	assert_memory_equal(reply.text, start, sizeof(start) - 1);
	assert_ptr_equal(memchr(reply.text, '\r', reply.len), reply.text + reply.len - 2);
	assert_ptr_equal(memchr(reply.text, '\n', reply.len), reply.text + reply.len - 1);
	assert_null(memchr(reply.text, '\0', reply.len));
	assert_int_not_equal(reply.text[sizeof(start) - 1], ' ');
}

static void
G8_text_can_not_break_out_of_its_line(void **state)
{
	static const char *const texts[] = {
		"Your password expires",
		"x\r\na OK [CAPABILITY X] LOGIN completed",
		"\r\n* BYE x\r\n",
		"x\n",
		"\nx",
		"x\ry",
		"a\x1b]0;x\x07",
		"\x7fx",
		"\xff\xff",
		"\xc3\xa4",
		"\xc3",
		"] x [",
		"\xe2\x80\xa8x",
		"\xc0\x8a",
		"\xe0\x80\x8a",
		"\xf0\x80\x80\x8a",
		"\xc0\x8d\xc0\x8a",
	};
	char text[5000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_alert(texts[i]);
	for (i = 1; i < sizeof(text); i++) {
		memset(text, i % 2 ? 'x' : '\xff', i);
		text[i] = '\0';
		assert_alert(text);
	}
}

/* RFC 3501, 9: text = 1*TEXT-CHAR, so there is something even if nothing was left of it. */
static void
G8_text_is_never_empty(void **state)
{
	(void)state;
	assert_alert("");
	assert_alert(" ");
	assert_alert("\r\n");
	assert_alert("\x01\x02\x03");
	reply.len = 0;
	reply_line(&reply, "a", "NO", NULL, "\n");
	assert_true(reply.len > strlen("a NO \r\n"));
}

static void
clean_is_what_the_header_says(void **state)
{
	static const struct {
		const char *text, *clean;
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "two words", "two words" },
		{ "a\r\nb", "a b" },
		{ "a\n\n\nb", "a b" },
		{ "a\tb", "a b" },
		{ "\r\n", "" },
		{ "  a  ", "a" },
		{ "\n a", "a" },
		{ "a \n", "a" },
		{ "\x7f", "" },
		{ "a\x7f"
		  "b",
		    "a b" },
		{ "a\x1b[31mb", "a [31mb" },
		{ "a\x01\x02\x03"
		  "b",
		    "a b" },
		{ "a\xff"
		  "b",
		    "a?b" },
		{ "\xff", "?" },
		{ "\xc3\xa4", "\xc3\xa4" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "a\xc3", "a?" },
		{ "\xc3 a", "? a" },
		{ "\xc3(", "?(" },
		{ "a\x80 b", "a? b" },
		{ "100%n %s", "100%n %s" },
		{ "\"\\[]", "\"\\[]" },
	};
	char clean[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply_clean(clean, sizeof(clean), rows[i].text);
		assert_string_equal(clean, rows[i].clean);
	}
}

/* What must be true of any outcome. The array is an allocation of its own, for the sanitizer. */
static void
assert_clean(const char *text, size_t size)
{
	char *clean = malloc(size), again[600];
	size_t len, at, octets;

	assert_non_null(clean);
	memset(clean, '!', size);
	reply_clean(clean, size, text);
	len = strnlen(clean, size);
	assert_true(len < size);
	for (at = 0; at < len; at += octets) {
		octets = utf8_sequence(clean + at, len - at);
		assert_in_range(octets, 1, 4);
		assert_true((unsigned char)clean[at] >= ' ' && clean[at] != 0x7f);
	}
	if (len > 0)
		assert_true(clean[0] != ' ' && clean[len - 1] != ' ');
	reply_clean(again, sizeof(again), clean);
	assert_string_equal(again, clean);
	free(clean);
}

static void
clean_text_fits_and_is_utf8_at_any_size(void **state)
{
	static const char *const texts[] = {
		"ab cd",
		"a\r\nb\r\nc",
		"\xc3\xa4\xc3\xb6\xc3\xbc",
		"\xe2\x82\xac\xe2\x82\xac",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
		"\xff\xfe\xfd",
		" \xff ",
		"\xe2\x82 \xe2\x82",
		"a\xf0\x9f\x98",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xc0\xaf",
		"   ",
		"a    b    c    d",
	};
	size_t i, size;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size = 1; size < 20; size++)
			assert_clean(texts[i], size);
}

static void
clean_text_is_utf8_whatever_the_octets(void **state)
{
	char text[5];
	unsigned i, j;

	(void)state;
	for (i = 1; i < 0x10000; i++) {
		memcpy(text, (char[]){ (char)(i >> 8), (char)i, '\0' }, 3);
		assert_clean(text[0] == '\0' ? text + 1 : text, 16);
	}
	srand(1);
	for (i = 0; i < 100000; i++) {
		for (j = 0; j < 4; j++)
			text[j] = (char)(rand() % 255 + 1);
		text[4] = '\0';
		assert_clean(text, (size_t)(1 + rand() % 8));
	}
}

static void
clean_text_is_cut_no_shorter_than_needed(void **state)
{
	char text[301], clean[300];
	size_t size;

	(void)state;
	memset(text, 'x', 300);
	text[300] = '\0';
	for (size = 1; size <= 300; size++) {
		reply_clean(clean, size, text);
		assert_int_equal(strlen(clean), size - 1);
	}
	reply_clean(clean, 4, "\xc3\xa4\xc3\xb6");
	assert_string_equal(clean, "\xc3\xa4");
	reply_clean(clean, 4, "ab cd");
	assert_string_equal(clean, "ab");
	reply_clean(clean, 4, "a b");
	assert_string_equal(clean, "a b");
	reply_clean(clean, 3, "a\xff\xff");
	assert_string_equal(clean, "a?");
	reply_clean(clean, 4, "a \xff\xff");
	assert_string_equal(clean, "a ?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_has_tag_status_code_and_text, empty_reply),
		cmocka_unit_test_setup(lines_are_collected, empty_reply),
		cmocka_unit_test_setup(LIT1_invitation_of_a_literal, empty_reply),
		cmocka_unit_test_setup(A1_challenge_is_base64_and_an_empty_one_keeps_its_space, empty_reply),
		cmocka_unit_test_setup(challenge_of_any_length_is_whole_or_left_out, empty_reply),
		cmocka_unit_test_setup(P5_prefix_ends_before_the_text, empty_reply),
		cmocka_unit_test_setup(RC4_mailbox_that_can_not_be_had, empty_reply),
		cmocka_unit_test(each_failure_has_words),
		cmocka_unit_test_setup(what_does_not_fit_is_left_out_as_a_whole_line, empty_reply),
		cmocka_unit_test_setup(prefix_that_does_not_fit_is_left_out, empty_reply),
		cmocka_unit_test_setup(G8_text_can_not_break_out_of_its_line, empty_reply),
		cmocka_unit_test_setup(G8_text_is_never_empty, empty_reply),
		cmocka_unit_test(clean_is_what_the_header_says),
		cmocka_unit_test(clean_text_fits_and_is_utf8_at_any_size),
		cmocka_unit_test(clean_text_is_utf8_whatever_the_octets),
		cmocka_unit_test(clean_text_is_cut_no_shorter_than_needed),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
