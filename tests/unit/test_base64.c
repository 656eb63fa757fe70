/*
 * Strict base64 (RFC 4648, 4): what is not the one encoding of a message is
 * refused. Input and output are allocations of their own size, so that the
 * sanitizer sees who looks behind their end.
 */

#include "proto/sasl.h"
#include "unit.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Decodes into an allocation of just the promised size. */
static bool
decode(struct bytes base64, char *out, size_t *len)
{
	char *copy = copy_of(base64), *exact = malloc(SASL_MESSAGE_MAX);
	bool good;

	assert_non_null(exact);
	*len = SIZE_MAX;
	good = sasl_decode(copy, base64.len, exact, len);
	if (good) {
		assert_true(*len <= SASL_MESSAGE_MAX);
		memcpy(out, exact, *len);
	}
	free(copy);
	free(exact);
	return good;
}

/* The canonical encoding, by the book: RFC 4648, 4. */
static size_t
encode(const char *in, size_t len, char *out)
{
	char *at = out;
	size_t i;

	for (i = 0; i < len; i += 3) {
		uint32_t b = (uint32_t)(unsigned char)in[i] << 16;

		b |= i + 1 < len ? (uint32_t)(unsigned char)in[i + 1] << 8 : 0;
		b |= i + 2 < len ? (unsigned char)in[i + 2] : 0;
		*at++ = alphabet[b >> 18];
		*at++ = alphabet[b >> 12 & 63];
		*at++ = i + 1 < len ? alphabet[b >> 6 & 63] : '=';
		*at++ = i + 2 < len ? alphabet[b & 63] : '=';
	}
	return (size_t)(at - out);
}

static void
A3_base64_that_is_good(void **state)
{
	static const struct {
		struct bytes base64, message;
	} rows[] = {
		{ BYTES(""), BYTES("") },
		{ BYTES("AAAA"), BYTES("\0\0\0") },
		{ BYTES("QQ=="), BYTES("A") },
		{ BYTES("QUI="), BYTES("AB") },
		{ BYTES("QUJD"), BYTES("ABC") },
		{ BYTES("AGEAYg=="), BYTES("\0a\0b") },
		{ BYTES("////"), BYTES("\xff\xff\xff") },
		{ BYTES("++++"), BYTES("\xfb\xef\xbe") },
		{ BYTES("/w=="), BYTES("\xff") },
		{ BYTES("//8="), BYTES("\xff\xff") },
		{ BYTES("AQ=="), BYTES("\x01") },
	};
	static char out[SASL_MESSAGE_MAX];
	size_t i, len;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		assert_true(decode(rows[i].base64, out, &len));
		assert_int_equal(len, rows[i].message.len);
		assert_memory_equal(out, rows[i].message.text, len);
	}
}

static void
A3_T22_base64_that_is_not_the_one_encoding(void **state)
{
	static const struct bytes rows[] = {
		BYTES("="),
		BYTES("=="),
		BYTES("==="),
		BYTES("===="),
		BYTES("A"),
		BYTES("AA"),
		BYTES("AAA"),
		BYTES("AAAAA"),
		BYTES("=AAA"),
		BYTES("A=AA"),
		BYTES("AA=A"),
		BYTES("A==="),
		BYTES("AAA=BBB"),
		BYTES("AAA=BBBB"),
		BYTES("AA==BBBB"),
		BYTES("QQ==QQ=="),
		BYTES("AAAA===="),
		BYTES("AAAA="),
		BYTES("AAAA=="),
		BYTES("AA=="
		      "="),
		BYTES("A\x20"
		      "AA"),
		BYTES(" AAAA"),
		BYTES("AAAA "),
		BYTES("   AAAA "),
		BYTES("AA AA   "),
		BYTES("AAAA\r\n"),
		BYTES("AAAA\n"),
		BYTES("\nAAA"),
		BYTES("AAA\n"),
		BYTES("AAAA    "),
		BYTES("    AAAA"),
		BYTES("AAA "),
		BYTES(" AAA"),
		BYTES("AA\tA"),
		BYTES("AAA\r"),
		BYTES("AAA\v"),
		BYTES("AAA\0"),
		BYTES("\0AAA"),
		BYTES("AAAA\0\0\0\0"),
		BYTES("AA\0\0"),
		BYTES("-AAA"),
		BYTES("AAA-"),
		BYTES("AA--"),
		BYTES("A---"),
		BYTES("----"),
		BYTES("AAAA----"),
		BYTES("_AAA"),
		BYTES("AAA_"),
		BYTES("AAA*"),
		BYTES("*"),
		BYTES("****"),
		BYTES("QR=="),
		BYTES("QUJ="),
		BYTES("QV=="),
		BYTES("QUK="),
		BYTES("//9="),
		BYTES("/x=="),
		BYTES("AA=\0"),
		BYTES("AAA\xff"),
		BYTES("AAA\x80"),
		BYTES("\xc3\xa4"
		      "AA"),
		BYTES("\"AAAA\""),
		BYTES("{4+}"),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAA"),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==AAAAAA=="),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA===="),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA    "),
		BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQR=="),
	};
	static char out[SASL_MESSAGE_MAX];
	size_t i, len;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		if (decode(rows[i], out, &len))
			fail_msg("row %zu was decoded: %.*s", i, (int)rows[i].len, rows[i].text);
}

static void
A3_only_the_alphabet_is_base64(void **state)
{
	static char out[SASL_MESSAGE_MAX];
	char text[68];
	size_t at, len;
	int ch;

	(void)state;
	for (at = 0; at < sizeof(text); at++) {
		memset(text, 'A', sizeof(text));
		for (ch = 0; ch < 256; ch++) {
			text[at] = (char)ch;
			assert_int_equal(decode((struct bytes){ text, sizeof(text) }, out, &len),
			    (ch != 0 && strchr(alphabet, ch) != NULL) || (ch == '=' && at == sizeof(text) - 1));
		}
	}
}

/*
 * Of all that four characters can be, exactly the encodings of one, two and
 * three octets are taken: as many as there are such messages where the last
 * character is "Q" (which stands for 64 of them) or "=".
 */
static void
T22_every_last_group_is_canonical_or_refused(void **state)
{
	static const char last[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	static char out[SASL_MESSAGE_MAX];
	char text[4], again[4];
	size_t i, len, good = 0;

	(void)state;
	for (i = 0; i < 65 * 65 * 65 * 2; i++) {
		text[0] = last[i / (65 * 65 * 2)];
		text[1] = last[i / (65 * 2) % 65];
		text[2] = last[i / 2 % 65];
		text[3] = i % 2 ? '=' : 'Q';
		if (!sasl_decode(text, 4, out, &len))
			continue;
		assert_int_equal(encode(out, len, again), 4);
		assert_memory_equal(again, text, 4);
		good++;
	}
	assert_int_equal(good, 64 * 64 * 64 + 256 * 256 + 256);
}

static void
what_was_encoded_is_decoded_at_any_length(void **state)
{
	static char message[SASL_MESSAGE_MAX + 3], base64[SASL_MESSAGE_MAX / 3 * 4 + 8], out[SASL_MESSAGE_MAX];
	size_t i, len, n, coded;

	(void)state;
	for (i = 0; i < sizeof(message); i++)
		message[i] = (char)(i * 31 + i / 256);
	for (n = 0; n <= sizeof(message); n = n < 1000 || n >= SASL_MESSAGE_MAX - 10 ? n + 1 : n + 97) {
		coded = encode(message, n, base64);
		if (n > SASL_MESSAGE_MAX) {
			assert_false(decode((struct bytes){ base64, coded }, out, &len));
			continue;
		}
		assert_true(decode((struct bytes){ base64, coded }, out, &len));
		assert_int_equal(len, n);
		assert_memory_equal(out, message, n);
	}
}

static void
longer_base64_than_any_line_is_refused(void **state)
{
	static char base64[64 * 1024];
	static char out[SASL_MESSAGE_MAX];
	size_t n, len;

	(void)state;
	memset(base64, 'A', sizeof(base64));
	for (n = SASL_MESSAGE_MAX / 3 * 4 + 1; n <= sizeof(base64); n += 4093)
		assert_false(decode((struct bytes){ base64, n }, out, &len));
	assert_false(decode((struct bytes){ base64, sizeof(base64) }, out, &len));
	assert_true(decode((struct bytes){ base64, SASL_MESSAGE_MAX / 3 * 4 }, out, &len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A3_base64_that_is_good),
		cmocka_unit_test(A3_T22_base64_that_is_not_the_one_encoding),
		cmocka_unit_test(A3_only_the_alphabet_is_base64),
		cmocka_unit_test(T22_every_last_group_is_canonical_or_refused),
		cmocka_unit_test(what_was_encoded_is_decoded_at_any_length),
		cmocka_unit_test(longer_base64_than_any_line_is_refused),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
