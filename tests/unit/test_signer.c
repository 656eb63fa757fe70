/*
 * The signer's descriptors: pairs get the numbers of what has been closed,
 * and are pairs all the same. The sandbox is left out (Makefile).
 */

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <signal.h>

#include "boundary/msg.h"
#include "role.h"
#include "sandbox.h"
#include "signer/signer.h"

/* The linker's names for what replaces them. */
void	__wrap_sandbox_find(struct sandbox *, const struct options *);
void	__wrap_sandbox_enter(const struct sandbox *, enum sandbox_kind);

/* Above all that the signer has. */
#define HIGH	100

void
__wrap_sandbox_find(struct sandbox *sandbox, const struct options *o)
{
	(void)sandbox;
	(void)o;
}

void
__wrap_sandbox_enter(const struct sandbox *sandbox, enum sandbox_kind kind)
{
	(void)sandbox;
	(void)kind;
}

/* Our ends, and the signer. */
static int control = -1, signing = -1, err = -1;
static pid_t signer;

static int
start(void **state)
{
	static struct options o;
	int controls[2], signings[2], errors[2], fd;
	struct msg m;

	(void)state;
	assert_int_equal(msg_pair(controls), 0);
	assert_int_equal(msg_pair(signings), 0);
	assert_int_equal(pipe(errors), 0);
	signer = fork();
	if (signer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(errors[1], STDERR_FILENO);
		fcntl(controls[1], F_DUPFD, HIGH);
		fcntl(signings[1], F_DUPFD, HIGH + 1);
		for (fd = STDERR_FILENO + 1; fd < HIGH; fd++)
			close(fd);
		dup2(HIGH, ROLE_CONTROL);
		dup2(HIGH + 1, ROLE_SIGNING);
		dup2(STDERR_FILENO, ROLE_LOG);
		for (fd = ROLE_CONTROL + 1; fd < HIGH + 10; fd++)
			if (fd != ROLE_SIGNING)
				close(fd);
		signer_run(&o);
	}
	close(controls[1]);
	close(signings[1]);
	close(errors[1]);
	control = controls[0];
	signing = signings[0];
	err = errors[0];
	assert_int_equal(msg_recv(control, &m), 1);
	assert_int_equal(m.type, MSG_READY);
	return 0;
}

static int
stop(void **state)
{
	int status;

	(void)state;
	close(err);
	kill(signer, SIGKILL);
	waitpid(signer, &status, 0);
	return 0;
}

/* The descriptor becomes the signer's. */
static void
send_pair(int fd)
{
	struct msg m;

	msg_begin(&m, MSG_PAIR);
	assert_int_equal(msg_send_fds(signing, &m, &fd, true), 0);
	close(fd);
}

static bool
is_closed(int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	char octet;

	return poll(&pfd, 1, 5000) == 1 && recv(fd, &octet, 1, MSG_DONTWAIT) == 0;
}

static bool
ends(int *status)
{
	for (int ms = 0; ms < 5000; ms += 10) {
		if (waitpid(signer, status, WNOHANG) == signer)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/* A renewal: the listener has gone, and the zygote has still made pairs, of which the first get the numbers that are free. */
static void
pairs_with_the_number_of_the_closed_control(void **state)
{
	int pairs[4][2], status = -1;
	size_t i;
	struct msg m;

	(void)state;
	close(control);
	for (i = 0; i < 4; i++) {
		assert_int_equal(msg_pair(pairs[i]), 0);
		send_pair(pairs[i][1]);
	}
	/* A pair ends with a question that is none. */
	for (i = 0; i < 4; i++) {
		msg_begin(&m, MSG_SIGN);
		m.u.sign.index = UINT32_MAX;
		assert_int_equal(msg_send(pairs[i][0], &m), 0);
		assert_true(is_closed(pairs[i][0]));
	}
	/* All are counted as gone: the signer ends with the last. */
	close(signing);
	assert_true(ends(&status));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Last words go nowhere then, and not to a gate whose pair has the number of a log. */
static void
last_words_behind_the_end_of_the_listener(void **state)
{
	int pairs[4][2], status = -1;
	char text[256];
	size_t i;

	(void)state;
	close(control);
	for (i = 0; i < 4; i++) {
		assert_int_equal(msg_pair(pairs[i]), 0);
		send_pair(pairs[i][1]);
	}
	/* epoll(7) takes no file: that is the end of it. */
	send_pair(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	assert_true(ends(&status));
	assert_int_not_equal(status, 0);
	for (i = 0; i < 4; i++)
		assert_true(is_closed(pairs[i][0]));
	assert_int_equal(read(err, text, sizeof(text)), 0);
	close(signing);
}

/* Whether it is there, a listener asks again and again. */
static void
question_of_the_listener(void **state)
{
	struct msg m;
	int i, pair[2];

	(void)state;
	for (i = 0; i < 100; i++) {
		msg_begin(&m, MSG_READY);
		assert_int_equal(msg_send(control, &m), 0);
		assert_int_equal(msg_recv(control, &m), 1);
		assert_int_equal(m.type, MSG_READY);
	}
	assert_int_equal(msg_pair(pair), 0);
	send_pair(pair[1]);
	msg_begin(&m, MSG_KEY);
	assert_int_equal(msg_send(pair[0], &m), 0);
	assert_true(is_closed(pair[0]));
	assert_int_equal(msg_recv(control, &m), 1);
	assert_int_equal(m.type, MSG_SIGN_REPORT);
	close(control);
	close(signing);
}

#define WITH_SIGNER(f)	cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIGNER(pairs_with_the_number_of_the_closed_control),
		WITH_SIGNER(last_words_behind_the_end_of_the_listener),
		WITH_SIGNER(question_of_the_listener),
	};

	return cmocka_run_group_tests_name("signer", tests, NULL, NULL);
}
