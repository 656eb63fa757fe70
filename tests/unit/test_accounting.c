/* The monitor's messages to the listener: the key of each hash, dropped lines, and a listener that is gone. */

#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "monitor/accounting.h"

static const uint8_t failure_key[MSG_KEY_SIZE] = { 1 }, account_key[MSG_KEY_SIZE] = { 2 };
static int listener, monitor;

static int
begin(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	listener = pair[0];
	monitor = pair[1];
	accounting_init(monitor, failure_key, account_key);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	accounting_end();
	close(listener);
	return 0;
}

/* The answer is there before the question. */
static void
answer(enum msg_type type, uint32_t number)
{
	struct msg m;

	msg_begin(&m, type);
	if (type == MSG_FAILED_ANSWER)
		m.u.failed_answer.failures = number;
	else if (type == MSG_LOGGED_IN_ANSWER)
		m.u.logged_in_answer.limit = number;
	else
		m.u.gate_end_answer.status = (int32_t)number;
	assert_int_equal(msg_send(listener, &m), 0);
}

static void
heard(struct msg *m, enum msg_type type)
{
	assert_int_equal(msg_recv(listener, m), 1);
	assert_int_equal(m->type, type);
}

/* Leaves different octets on the stack each time: they must not matter. */
static void
soil_stack(void)
{
	static unsigned char octet = 'a';
	volatile unsigned char stack[16384];
	size_t i;

	octet++;
	for (i = 0; i < sizeof(stack); i++)
		stack[i] = octet;
}

static void
failed(const char *user, const char *secret, struct msg *m)
{
	struct msg_login login = { .mechanism = 1 };

	strcpy(login.authcid, user);
	strcpy(login.secret, secret);
	answer(MSG_FAILED_ANSWER, 7);
	soil_stack();
	assert_int_equal(accounting_failed(&login, 4711), 7);
	heard(m, MSG_FAILED);
	assert_int_equal(m->u.failed.when, 4711);
}

static void
logged_in(const char *user, const char *account, struct msg *m)
{
	answer(MSG_LOGGED_IN_ANSWER, LIMIT_MAX_SESSIONS);
	soil_stack();
	assert_int_equal(accounting_logged_in(user, account), LIMIT_MAX_SESSIONS);
	heard(m, MSG_LOGGED_IN);
	assert_string_equal(m->u.logged_in.name, account);
}

static void
failure_hashes(void **state)
{
	struct msg first, second;

	(void)state;
	failed("joe", "mumble", &first);
	assert_true(first.u.failed.user != first.u.failed.attempt);
	failed("joe", "mumble", &second);
	assert_true(first.u.failed.user == second.u.failed.user && first.u.failed.attempt == second.u.failed.attempt);
	failed("joe", "other", &second);
	assert_true(first.u.failed.user == second.u.failed.user && first.u.failed.attempt != second.u.failed.attempt);
	failed("jane", "mumble", &second);
	assert_true(first.u.failed.user != second.u.failed.user && first.u.failed.attempt != second.u.failed.attempt);
	/* A border between name and password that moves is another attempt. */
	failed("joem", "umble", &second);
	assert_true(first.u.failed.attempt != second.u.failed.attempt);
}

static void
longest_texts_count(void **state)
{
	static char user[MSG_NAME_MAX], secret[MSG_SECRET_MAX];
	struct msg first, second;

	(void)state;
	memset(user, 'u', sizeof(user) - 1);
	memset(secret, 's', sizeof(secret) - 1);
	failed(user, secret, &first);
	secret[sizeof(secret) - 2] = 'x';
	failed(user, secret, &second);
	assert_true(first.u.failed.user == second.u.failed.user && first.u.failed.attempt != second.u.failed.attempt);
	user[sizeof(user) - 2] = 'x';
	failed(user, secret, &second);
	assert_true(first.u.failed.user != second.u.failed.user);
}

static void
login_hashes(void **state)
{
	struct msg failure, first, second;

	(void)state;
	failed("joe", "", &failure);
	logged_in("joe", "joe", &first);
	assert_true(first.u.logged_in.user == failure.u.failed.user);
	/* SECURITY: the two hashes of one name must not be the same. */
	assert_true(first.u.logged_in.account != first.u.logged_in.user);
	logged_in("Joe", "joe", &second);
	assert_true(first.u.logged_in.user != second.u.logged_in.user && first.u.logged_in.account == second.u.logged_in.account);
	logged_in("joe", "jane", &second);
	assert_true(first.u.logged_in.user == second.u.logged_in.user && first.u.logged_in.account != second.u.logged_in.account);
}

/* Each hash changes with its own key, and with no other. */
static void
hashes_are_keyed(void **state)
{
	static const uint8_t other[MSG_KEY_SIZE] = { 3 };
	struct msg first, second;

	(void)state;
	logged_in("joe", "joe", &first);
	accounting_init(monitor, other, account_key);
	logged_in("joe", "joe", &second);
	assert_true(first.u.logged_in.user != second.u.logged_in.user && first.u.logged_in.account == second.u.logged_in.account);
	accounting_init(monitor, failure_key, other);
	logged_in("joe", "joe", &second);
	assert_true(first.u.logged_in.user == second.u.logged_in.user && first.u.logged_in.account != second.u.logged_in.account);
}

/* Lines that were dropped are in each message, once. */
static void
dropped_lines(void **state)
{
	struct msg m;

	(void)state;
	log_add_dropped(3);
	failed("joe", "mumble", &m);
	assert_int_equal(m.u.failed.dropped, 3);
	log_add_dropped(4);
	logged_in("joe", "joe", &m);
	assert_int_equal(m.u.logged_in.dropped, 4);
	log_add_dropped(5);
	accounting_launched(TRANSPORT_RELAY);
	heard(&m, MSG_LAUNCHED);
	assert_int_equal(m.u.launched.dropped, 5);
	assert_int_equal(m.u.launched.transport, TRANSPORT_RELAY);
	assert_int_equal(log_take_dropped(), 0);
	assert_false(accounting_has_listener());
	assert_int_equal(msg_recv(listener, &m), 0);
}

static void
end_tells_of_dropped_lines(void **state)
{
	struct msg m;

	(void)state;
	log_add_dropped(1);
	accounting_end();
	heard(&m, MSG_DROPPED);
	assert_int_equal(m.u.dropped.dropped, 1);
	assert_int_equal(msg_recv(listener, &m), 0);
}

static void
end_without_any_says_nothing(void **state)
{
	struct msg m;

	(void)state;
	accounting_end();
	assert_int_equal(msg_recv(listener, &m), 0);
	assert_false(accounting_has_listener());
}

static void
peer_that_is_unknown(void **state)
{
	struct msg m;

	(void)state;
	accounting_peer_unknown();
	heard(&m, MSG_PEER_UNKNOWN);
	assert_int_equal(msg_recv(listener, &m), 0);
}

static void
gates_status(void **state)
{
	struct msg m;

	(void)state;
	answer(MSG_GATE_END_ANSWER, 3 << 8);
	assert_int_equal(accounting_wait_for_gate(), 3 << 8);
	heard(&m, MSG_GATE_END);
}

/* The service has ended: a login is none any more, and a failure counts for this connection alone. */
static void
listener_that_is_gone(void **state)
{
	static const struct msg_login login = { .mechanism = 1, .authcid = "joe", .secret = "mumble" };

	(void)state;
	close(listener);
	assert_int_equal(accounting_failed(&login, 0), 0);
	assert_int_equal(accounting_logged_in("joe", "joe"), LIMIT_SHUTDOWN);
	assert_int_equal(accounting_wait_for_gate(), 71 << 8);
	listener = -1;
}

static void
no_listener(void **state)
{
	static const struct msg_login login = { .mechanism = 1, .authcid = "joe", .secret = "mumble" };

	(void)state;
	accounting_end();
	assert_int_equal(accounting_failed(&login, 0), 0);
	assert_int_equal(accounting_logged_in("joe", "joe"), LIMIT_NONE);
	/* The next line that can be written counts them. */
	log_add_dropped(2);
	accounting_launched(TRANSPORT_SOCKET);
	accounting_end();
	assert_int_equal(log_take_dropped(), 2);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(failure_hashes),
		EACH(longest_texts_count),
		EACH(login_hashes),
		EACH(hashes_are_keyed),
		EACH(dropped_lines),
		EACH(end_tells_of_dropped_lines),
		EACH(end_without_any_says_nothing),
		EACH(peer_that_is_unknown),
		EACH(gates_status),
		EACH(listener_that_is_gone),
		EACH(no_listener),
	};

	return cmocka_run_group_tests_name("accounting", tests, NULL, NULL);
}
