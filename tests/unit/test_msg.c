/*
 * The boundary: each message goes through whole, and whatever is not exactly
 * a message ends the process that gets it (T35).
 */

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sysexits.h>

#include "base/log.h"
#include "boundary/msg.h"

#define BODY			offsetof(struct msg, u)
#define TYPE(id, member, fds)	{ id, sizeof(((struct msg *)NULL)->u.member), fds }
#define BARE(id, fds)		{ id, 0, fds }

static const struct type {
	uint32_t	id;
	size_t		size;		/* of its struct */
	size_t		fds;		/* descriptors that come with it */
} types[] = {
	TYPE(MSG_LOGIN, login, 0), TYPE(MSG_LOGIN_ANSWER, login_answer, 0), TYPE(MSG_LAUNCH, launch, 0), BARE(MSG_LAUNCH_ANSWER, 1),
	TYPE(MSG_LOG, log, 0), TYPE(MSG_PROXIED, proxied, 0), TYPE(MSG_PROXIED_ANSWER, proxied_answer, 0), TYPE(MSG_PROGRAM_OUTPUT, program_output, 0),
	TYPE(MSG_KEY, key, 0), TYPE(MSG_KEY_ANSWER, key_answer, 0), TYPE(MSG_SIGN, sign, 0), TYPE(MSG_SIGN_ANSWER, sign_answer, 0),
	TYPE(MSG_PAIR, pair, 1), TYPE(MSG_SIGN_REPORT, sign_report, 0), TYPE(MSG_READY, ready, 0), TYPE(MSG_SPAWN_GATE, spawn_gate, 2),
	TYPE(MSG_SPAWN_MONITOR, spawn_monitor, 3), TYPE(MSG_SPAWN_PEER, spawn_monitor, 2), TYPE(MSG_SPAWNED, spawned, 0),
	TYPE(MSG_FAILED, failed, 0), TYPE(MSG_FAILED_ANSWER, failed_answer, 0), TYPE(MSG_LOGGED_IN, logged_in, 0),
	TYPE(MSG_LOGGED_IN_ANSWER, logged_in_answer, 0), BARE(MSG_GATE_END, 0), TYPE(MSG_GATE_END_ANSWER, gate_end_answer, 0),
	TYPE(MSG_LAUNCHED, launched, 0), BARE(MSG_PEER_UNKNOWN, 0), TYPE(MSG_DROPPED, dropped, 0),
};
#define TYPES (sizeof(types) / sizeof(types[0]))

#define TEXT(id, member) { id, offsetof(struct msg, u.member), sizeof(((struct msg *)NULL)->u.member) }

static const struct text {
	uint32_t	id;
	size_t		offset, size;
} texts[] = {
	TEXT(MSG_LOGIN, login.authcid), TEXT(MSG_LOGIN, login.authzid), TEXT(MSG_LOGIN, login.secret), TEXT(MSG_LOGIN_ANSWER, login_answer.text),
	TEXT(MSG_KEY_ANSWER, key_answer.reason),
	TEXT(MSG_LAUNCH, launch.tag), TEXT(MSG_LAUNCH, launch.tls.protocol), TEXT(MSG_LAUNCH, launch.tls.cipher), TEXT(MSG_LAUNCH, launch.tls.sni),
	TEXT(MSG_LOG, log.text), TEXT(MSG_LOG, log.tls.protocol), TEXT(MSG_LOG, log.tls.cipher), TEXT(MSG_LOG, log.tls.sni),
	TEXT(MSG_PROXIED, proxied.tls_protocol), TEXT(MSG_PROXIED, proxied.tls_cipher), TEXT(MSG_SIGN_REPORT, sign_report.reason),
	TEXT(MSG_READY, ready.file), TEXT(MSG_READY, ready.reason), TEXT(MSG_LOGGED_IN, logged_in.name),
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static int pair[2];

static int
make_pair(void **state)
{
	(void)state;
	assert_int_equal(msg_pair(pair), 0);
	return 0;
}

static int
close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

/* A message with something in each octet, but for the ends of its texts. */
static void
fill(struct msg *m, const struct type *type, unsigned seed)
{
	unsigned char *octets = (unsigned char *)m;
	size_t i;

	for (i = 0; i < sizeof(*m); i++)
		octets[i] = (unsigned char)(i * 7 + seed) | 1;
	m->type = type->id;
	for (i = 0; i < TEXTS; i++)
		if (texts[i].id == type->id)
			octets[texts[i].offset + texts[i].size - 1] = '\0';
}

/* What belongs to the type, no more: the rest of a message is never sent. */
static void
a_message_begins_empty_and_is_wiped(void **state)
{
	static const unsigned char none[sizeof(struct msg)];
	struct msg m;
	size_t i;

	(void)state;
	for (i = 0; i < TYPES; i++) {
		fill(&m, &types[i], 3);
		msg_begin(&m, (enum msg_type)types[i].id);
		assert_int_equal(m.type, types[i].id);
		assert_memory_equal(&m.u, none, types[i].size);
		fill(&m, &types[i], 5);
		msg_wipe(&m);
		assert_memory_equal(&m, none, BODY + types[i].size);
	}
}

static void
pair_keeps_messages_apart_and_is_closed_on_exec(void **state)
{
	int i, type;
	socklen_t len = sizeof(type);

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(getsockopt(pair[i], SOL_SOCKET, SO_TYPE, &type, &len), 0);
		assert_int_equal(type, SOCK_SEQPACKET);
		assert_true((fcntl(pair[i], F_GETFD) & FD_CLOEXEC) != 0);
	}
}

/* With the descriptors of its type, which are all standard error. */
static int
send_whole(int fd, const struct msg *m, const struct type *type)
{
	static const int fds[MSG_FDS_MAX] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };

	return type->fds > 0 ? msg_send_fds(fd, m, fds, true) : msg_send(fd, m);
}

static int
receive_whole(int fd, struct msg *m, const struct type *type)
{
	int fds[MSG_FDS_MAX], received = msg_recv_fds(fd, m, fds);

	for (size_t i = 0; received == 1 && i < MSG_FDS_MAX; i++) {
		assert_true((fds[i] != -1) == (i < type->fds));
		if (fds[i] == -1)
			continue;
		assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
		close(fds[i]);
	}
	return received;
}

static void
each_type_makes_the_round_trip(void **state)
{
	static struct msg sent, got;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * TYPES; i++) {
		fill(&sent, &types[i / 2], (unsigned)i);
		memset(&got, 0, sizeof(got));
		assert_int_equal(send_whole(pair[i % 2], &sent, &types[i / 2]), 0);
		assert_int_equal(receive_whole(pair[1 - i % 2], &got, &types[i / 2]), 1);
		assert_memory_equal(&got, &sent, BODY + types[i / 2].size);
	}
}

static void
message_is_as_long_as_its_type(void **state)
{
	static struct msg sent, got;
	size_t i;

	(void)state;
	for (i = 0; i < TYPES; i++) {
		fill(&sent, &types[i], 0);
		assert_int_equal(send_whole(pair[0], &sent, &types[i]), 0);
		assert_int_equal(recv(pair[1], &got, sizeof(got), MSG_TRUNC), BODY + types[i].size);
		assert_memory_equal(&got, &sent, BODY + types[i].size);
	}
}

static void
messages_arrive_in_order_and_one_at_a_time(void **state)
{
	static struct msg sent, got;
	size_t i;

	(void)state;
	for (i = 0; i < TYPES; i++) {
		fill(&sent, &types[i], (unsigned)i);
		assert_int_equal(send_whole(pair[0], &sent, &types[i]), 0);
	}
	for (i = 0; i < TYPES; i++) {
		fill(&sent, &types[i], (unsigned)i);
		assert_int_equal(receive_whole(pair[1], &got, &types[i]), 1);
		assert_int_equal(got.type, types[i].id);
		assert_memory_equal(&got, &sent, BODY + types[i].size);
	}
}

static void
closed_peer_is_gone(void **state)
{
	static struct msg m;
	size_t i;

	(void)state;
	fill(&m, &types[0], 0);
	assert_int_equal(msg_send(pair[0], &m), 0);
	close(pair[0]);
	assert_int_equal(msg_recv(pair[1], &m), 1);
	assert_int_equal(msg_recv(pair[1], &m), 0);
	signal(SIGPIPE, SIG_DFL);
	for (i = 0; i < TYPES; i++) {
		fill(&m, &types[i], 0);
		assert_int_equal(send_whole(pair[1], &m, &types[i]), -1);
	}
	assert_int_equal(msg_recv(pair[1], &m), 0);
	pair[0] = dup(pair[1]);
}

static volatile sig_atomic_t interruptions;

static void
count_interruption(int signal)
{
	(void)signal;
	interruptions++;
}

/* PAM modules may have signals of their own on their way while the monitor waits. */
static void
signals_interrupt_nothing(void **state)
{
	struct sigaction action = { .sa_handler = count_interruption }, before;
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };
	static struct msg sent, got;
	pid_t pid;

	(void)state;
	fill(&sent, &types[0], 1);
	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		/* The other side has to be interrupted while it waits, some times. */
		usleep(100000);
		_exit(msg_send(pair[0], &sent) == 0 ? 0 : 1);
	}
	interruptions = 0;
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(msg_recv(pair[1], &got), 1);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	assert_true(interruptions > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_memory_equal(&got, &sent, BODY + types[0].size);
}

/* --- what a hostile process sends ---------------------------------------- */

static void
receive(void *arg)
{
	static struct msg m;

	(void)arg;
	msg_recv_fds(pair[1], &m, (int[MSG_FDS_MAX]){ 0 });
}

/* The receiver ends with one line that calls it a bug. */
static void
assert_refused(const char *what, size_t n)
{
	static struct child c;

	child_run(&c, receive, NULL);
	if (c.status != EX_SOFTWARE)
		fail_msg("%s (%zu): status %d, not %d\n%s", what, n, c.status, EX_SOFTWARE, c.err);
	assert_int_equal(c.writes, 1);
	assert_non_null(strstr(c.err, "]: bug text=\""));
	assert_ptr_equal(strchr(c.err, '\n'), c.err + c.len - 1);
	/* What the child has read is gone; what it left is not for the next test. */
	while (recv(pair[1], c.out, sizeof(c.out), MSG_DONTWAIT) >= 0)
		;
}

static void
send_octets(const void *octets, size_t len)
{
	assert_int_equal(send(pair[0], octets, len, 0), len);
}

static void
T35_short_message_is_a_bug(void **state)
{
	static struct msg m;
	size_t i, size;

	(void)state;
	for (i = 0; i < TYPES; i++) {
		fill(&m, &types[i], 0);
		size = BODY + types[i].size;
		send_octets(&m, size - 1);
		assert_refused("one octet too short", i);
		send_octets(&m, size - 4);
		assert_refused("four octets too short", i);
		if (size == BODY)
			continue;
		send_octets(&m, sizeof(m.type));
		assert_refused("type only", i);
	}
	for (i = 1; i < sizeof(m.type); i++) {
		send_octets(&m, i);
		assert_refused("part of a type", i);
	}
}

static void
T35_long_message_is_a_bug(void **state)
{
	static union {
		struct msg m;
		char octets[2 * sizeof(struct msg)];
	} u;
	size_t i, size;

	(void)state;
	for (i = 0; i < TYPES; i++) {
		memset(&u, 0, sizeof(u));
		u.m.type = types[i].id;
		size = BODY + types[i].size;
		send_octets(&u, size + 1);
		assert_refused("one octet too long", i);
		send_octets(&u, sizeof(u.m) + 1);
		assert_refused("longer than any", i);
		send_octets(&u, sizeof(u));
		assert_refused("twice as long as any", i);
		if (size != sizeof(u.m)) {
			send_octets(&u, sizeof(u.m));
			assert_refused("as long as the longest", i);
		}
	}
}

static void
T35_unknown_type_is_a_bug(void **state)
{
	static const uint32_t unknown[] = { 0, 1, 7, 11, 17, 19, 21, 23, 25, 35, 37, MSG_TYPES, 100, 255, 256, 0x02000000, 0x7fffffff, 0x80000000,
		0xffffffff };
	static struct msg m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		memset(&m, 0, sizeof(m));
		m.type = unknown[i];
		send_octets(&m, sizeof(m));
		assert_refused("unknown type", unknown[i]);
		send_octets(&m, sizeof(m.type));
		assert_refused("unknown type alone", unknown[i]);
	}
}

/* Makes a message that has so many octets of text where the text of this number is, and all else zero. Returns its size. */
static size_t
fill_text(struct msg *m, size_t text, size_t len)
{
	size_t j;

	memset(m, 0, sizeof(*m));
	m->type = texts[text].id;
	memset((char *)m + texts[text].offset, 'x', len);
	for (j = 0; j < TYPES; j++)
		if (types[j].id == texts[text].id)
			return BODY + types[j].size;
	fail_msg("text %zu is in no message", text);
	return 0;
}

static void
T35_text_without_end_is_a_bug(void **state)
{
	static struct msg m;
	size_t i;

	(void)state;
	for (i = 0; i < TEXTS; i++) {
		send_octets(&m, fill_text(&m, i, texts[i].size));
		assert_refused("text without NUL", i);
	}
}

static void
text_that_fills_its_array_but_for_the_nul_is_good(void **state)
{
	static struct msg m;
	size_t i;

	(void)state;
	for (i = 0; i < TEXTS; i++) {
		fill_text(&m, i, texts[i].size - 1);
		assert_int_equal(msg_send(pair[0], &m), 0);
		assert_int_equal(msg_recv(pair[1], &m), 1);
		assert_int_equal(strlen((char *)&m + texts[i].offset), texts[i].size - 1);
	}
}

/* Sends a good message with so many descriptors attached. */
static void
send_with_descriptors(struct msg *m, size_t size, size_t n)
{
	union {
		char octets[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { m, size };
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))
	};
	struct cmsghdr *cmsg;
	size_t i;
	int fd = STDERR_FILENO;

	memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&hdr);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(pair[0], &hdr, 0), size);
}

static void
T35_passed_descriptor_is_a_bug(void **state)
{
	static struct msg m;
	size_t i, n;

	(void)state;
	for (i = 0; i < TYPES; i++) {
		for (n = 1; n <= 8; n++) {
			if (n == types[i].fds)
				continue;
			fill(&m, &types[i], 0);
			send_with_descriptors(&m, BODY + types[i].size, n);
			assert_refused("descriptors", n);
		}
	}
}

/* Who serves others too is told what is wrong, and lives. */
static void
T35_what_is_a_bug_can_be_heard_without_dying(void **state)
{
	static struct {
		struct msg	m;
		char		more;
	} sent;
	static struct msg got;
	const char *wrong = NULL;
	int fds[MSG_FDS_MAX];
	size_t i;

	(void)state;
	assert_int_equal(msg_recv_now(pair[1], &got, fds, &wrong), 0);
	assert_int_equal(errno, EAGAIN);
	for (i = 0; i < TYPES; i++) {
		fill(&sent.m, &types[i], 0);
		send_octets(&sent, BODY + types[i].size + 1);
		assert_int_equal(msg_recv_now(pair[1], &got, fds, &wrong), -1);
		assert_non_null(wrong);
		send_with_descriptors(&sent.m, BODY + types[i].size, types[i].fds + 1);
		assert_int_equal(msg_recv_now(pair[1], &got, fds, &wrong), -1);
		assert_int_equal(fds[0], -1);
	}
	close(pair[0]);
	assert_int_equal(msg_recv_now(pair[1], &got, fds, &wrong), 0);
	assert_int_equal(errno, 0);
	pair[0] = dup(pair[1]);
}

/* A look takes nothing. */
static void
the_type_of_the_next_message_can_be_looked_at(void **state)
{
	static struct msg m;
	uint32_t type;
	size_t i;

	(void)state;
	assert_int_equal(msg_peek_type(pair[1], &type), 0);
	assert_int_equal(errno, EAGAIN);
	for (i = 0; i < TYPES; i++) {
		fill(&m, &types[i], 0);
		assert_int_equal(send_whole(pair[0], &m, &types[i]), 0);
		assert_int_equal(msg_peek_type(pair[1], &type), 1);
		assert_int_equal(type, types[i].id);
		assert_int_equal(receive_whole(pair[1], &m, &types[i]), 1);
	}
	send_octets(&m, 2);
	assert_int_equal(msg_peek_type(pair[1], &type), 1);
	assert_int_equal(type, 0);
}

/* An empty message looks like an end of file. Descriptors that came with it must not stay open: a gate could fill the signer's table. */
static void
descriptors_of_an_empty_message_are_closed(void **state)
{
	static struct msg got;
	const char *wrong = NULL;
	int fds[MSG_FDS_MAX], before, after;

	(void)state;
	before = dup(STDERR_FILENO);
	close(before);
	for (size_t n = 1; n <= 8; n++) {
		send_with_descriptors(&(struct msg){ .type = 0 }, 0, n);
		assert_int_equal(msg_recv_now(pair[1], &got, fds, &wrong), 0);
		assert_int_equal(errno, 0);
		after = dup(STDERR_FILENO);
		close(after);
		assert_int_equal(after, before);
	}
}

/* It looks like an end of file; what it must not look like is a message. */
static void
empty_message_is_none(void **state)
{
	static struct child c;

	(void)state;
	assert_int_equal(send(pair[0], "", 0, 0), 0);
	child_run(&c, receive, NULL);
	assert_true(c.status == CHILD_RETURNED || c.status == EX_SOFTWARE);
	assert_int_equal(send(pair[0], "", 0, 0), 0);
	if (c.status == CHILD_RETURNED)
		assert_int_equal(msg_recv(pair[1], &(struct msg){ 0 }), 0);
}

static void
send_unknown(void *arg)
{
	static struct msg m;

	m.type = *(uint32_t *)arg;
	msg_send(pair[0], &m);
}

static void
nothing_of_unknown_type_is_sent(void **state)
{
	static struct child c;
	uint32_t type = 7;

	(void)state;
	child_run(&c, send_unknown, &type);
	assert_int_not_equal(recv(pair[1], c.out, sizeof(c.out), MSG_DONTWAIT), sizeof(struct msg));
	assert_true(c.status == EX_SOFTWARE || c.status == CHILD_RETURNED);
}

/* --- texts --------------------------------------------------------------- */

static void
text_is_copied_with_nuls_to_the_end_of_its_array(void **state)
{
	char dst[8];
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(dst); len++) {
		memset(dst, '!', sizeof(dst));
		assert_int_equal(msg_text(dst, sizeof(dst), "abcdefgh", len), 0);
		assert_memory_equal(dst, "abcdefgh", len);
		assert_memory_equal(dst + len, "\0\0\0\0\0\0\0\0", sizeof(dst) - len);
	}
}

static void
text_that_does_not_fit_or_holds_a_nul_is_refused(void **state)
{
	char dst[8];

	(void)state;
	assert_int_equal(msg_text(dst, sizeof(dst), "abcdefgh", 8), -1);
	assert_int_equal(msg_text(dst, sizeof(dst), "abcdefghi", 9), -1);
	assert_int_equal(msg_text(dst, sizeof(dst), "a\0b", 3), -1);
	assert_int_equal(msg_text(dst, sizeof(dst), "\0", 1), -1);
	assert_int_equal(msg_text(dst, sizeof(dst), "abc\0", 4), -1);
	assert_int_equal(msg_text(dst, 1, "", 0), 0);
	assert_int_equal(msg_text(dst, 1, "a", 1), -1);
}

/* It has not read its input, which is an error of the pair, before the messages that it has sent. */
static void
last_messages_of_a_process_are_received(void **state)
{
	const char *error;
	struct msg m;
	uint32_t type;
	int fds[MSG_FDS_MAX], i;

	(void)state;
	msg_begin(&m, MSG_PEER_UNKNOWN);
	for (i = 0; i < 2; i++)
		assert_int_equal(msg_send(pair[0], &m), 0);
	assert_int_equal(msg_send(pair[1], &m), 0);
	close(pair[0]);
	pair[0] = -1;
	assert_int_equal(msg_recv_now(pair[1], &m, fds, &error), 1);
	assert_int_equal(m.type, MSG_PEER_UNKNOWN);
	assert_int_equal(msg_recv(pair[1], &m), 1);
	assert_int_equal(msg_recv(pair[1], &m), 0);
	assert_int_equal(errno, 0);
	/* The same for a look at the type. */
	close(pair[1]);
	assert_int_equal(msg_pair(pair), 0);
	msg_begin(&m, MSG_GATE_END);
	assert_int_equal(msg_send(pair[0], &m), 0);
	assert_int_equal(msg_send(pair[1], &m), 0);
	close(pair[0]);
	pair[0] = -1;
	assert_int_equal(msg_peek_type(pair[1], &type), 1);
	assert_int_equal(type, MSG_GATE_END);
}

#define WITH_PAIR(f)	cmocka_unit_test_setup_teardown(f, make_pair, close_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(pair_keeps_messages_apart_and_is_closed_on_exec),
		WITH_PAIR(each_type_makes_the_round_trip),
		WITH_PAIR(message_is_as_long_as_its_type),
		WITH_PAIR(messages_arrive_in_order_and_one_at_a_time),
		WITH_PAIR(closed_peer_is_gone),
		WITH_PAIR(signals_interrupt_nothing),
		WITH_PAIR(T35_short_message_is_a_bug),
		WITH_PAIR(T35_long_message_is_a_bug),
		WITH_PAIR(T35_unknown_type_is_a_bug),
		WITH_PAIR(T35_text_without_end_is_a_bug),
		WITH_PAIR(text_that_fills_its_array_but_for_the_nul_is_good),
		WITH_PAIR(T35_passed_descriptor_is_a_bug),
		WITH_PAIR(T35_what_is_a_bug_can_be_heard_without_dying),
		WITH_PAIR(the_type_of_the_next_message_can_be_looked_at),
		WITH_PAIR(descriptors_of_an_empty_message_are_closed),
		WITH_PAIR(empty_message_is_none),
		WITH_PAIR(nothing_of_unknown_type_is_sent),
		WITH_PAIR(last_messages_of_a_process_are_received),
		cmocka_unit_test(a_message_begins_empty_and_is_wiped),
		cmocka_unit_test(text_is_copied_with_nuls_to_the_end_of_its_array),
		cmocka_unit_test(text_that_does_not_fit_or_holds_a_nul_is_refused),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
