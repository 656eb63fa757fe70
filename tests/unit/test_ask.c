/*
 * Questions of the gate zygote to its signer, which is played here: what
 * comes of an answer that is late, or that never comes.
 */

#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "boundary/msg.h"
#include "gate/ask.h"

/* Time for an answer, in milliseconds. */
#define ANSWER_MS	50

static const uint8_t digest[MSG_DIGEST_LEN];
static char reason[MSG_REASON_MAX];
static int pair[2];

static int
begin(void **state)
{
	(void)state;
	assert_int_equal(msg_pair(pair), 0);
	ask_init(-1, pair[0], clock_ms() + ANSWER_MS);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void
answer(bool held, const char *text)
{
	struct msg m;

	msg_begin(&m, MSG_KEY_ANSWER);
	m.u.key_answer.held = held;
	msg_text(m.u.key_answer.reason, MSG_REASON_MAX, text, strlen(text));
	assert_int_equal(msg_send(pair[1], &m), 0);
}

static void
answers(void **state)
{
	(void)state;
	answer(true, "");
	assert_true(ask_key(0, digest, reason));
	answer(false, "no such key");
	assert_false(ask_key(1, digest, reason));
	assert_string_equal(reason, "no such key");
	/* A key that is not there is an answer too. */
	assert_false(ask_is_unanswered());
}

/* The answer about one key comes when another is asked for: it says nothing about that one. */
static void
late_answer(void **state)
{
	(void)state;
	assert_false(ask_key(0, digest, reason));
	assert_true(ask_is_unanswered());
	answer(true, "");
	assert_false(ask_key(1, digest, reason));
	assert_string_equal(reason, "the process with the private keys does not answer");
	assert_true(ask_is_unanswered());
	ask_init(-1, pair[0], clock_ms() + ANSWER_MS);
	assert_false(ask_is_unanswered());
}

static void
end_of_the_signer(void **state)
{
	(void)state;
	close(pair[1]);
	pair[1] = -1;
	assert_false(ask_key(0, digest, reason));
	assert_true(ask_is_unanswered());
}

/* Without descriptors there is no pair to ask by. */
static void
no_pair(void **state)
{
	uint8_t tbs[1] = { 0 }, signature[64];

	(void)state;
	ask_init(-1, -1, clock_ms() + ANSWER_MS);
	assert_int_equal(ask_sign(NULL, 0, 0, tbs, sizeof(tbs), signature, sizeof(signature)), 0);
	assert_true(ask_is_unanswered());
}

#define WITH_SIGNER(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIGNER(answers),
		WITH_SIGNER(late_answer),
		WITH_SIGNER(end_of_the_signer),
		WITH_SIGNER(no_pair),
	};

	return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
