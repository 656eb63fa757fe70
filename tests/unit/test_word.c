/* Plain words that others choose: names of TLS versions and ciphers. */

#include "proto/word.h"
#include "unit.h"

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

static void
each_octet_is_plain_or_not(void **state)
{
	char text[4] = "a?z", to[4];
	int ch;

	(void)state;
	for (ch = 0; ch < 256; ch++) {
		const bool good = ch != 0 && strchr(plain, ch) != NULL;

		text[1] = (char)ch;
		assert_int_equal(word_is_plain(text), good || ch == 0);
		strcpy(to, "x");
		word_copy(to, sizeof(to), text, 3);
		assert_string_equal(to, good ? text : "x");
		/* In the first place, and in the last. */
		strcpy(to, "x");
		word_copy(to, sizeof(to), text + 1, 2);
		assert_int_equal(strlen(to), good ? 2 : 1);
		strcpy(to, "x");
		word_copy(to, sizeof(to), text, 2);
		assert_int_equal(strlen(to), good ? 2 : 1);
	}
	assert_true(word_is_plain(""));
}

static void
a_word_is_taken_whole_or_not_at_all(void **state)
{
	char to[8];
	size_t len, size;

	(void)state;
	for (size = 2; size <= sizeof(to); size++) {
		for (len = 0; len <= sizeof(to); len++) {
			char *octets = copy_of((struct bytes){ plain, len });

			memset(to, '!', sizeof(to));
			memcpy(to, "x", 2);
			word_copy(to, size, octets, len);
			free(octets);
			assert_int_equal(strlen(to), len > 0 && len < size ? len : 1);
			assert_memory_equal(to, len > 0 && len < size ? plain : "x", strlen(to));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_octet_is_plain_or_not),
		cmocka_unit_test(a_word_is_taken_whole_or_not_at_all),
	};

	return cmocka_run_group_tests_name("word", tests, NULL, NULL);
}
