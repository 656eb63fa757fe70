/*
 * The signer's descriptors: pairs get the numbers of what has been closed,
 * and are pairs all the same; and none of them holds up the gate zygote. The
 * sandbox is left out (Makefile).
 */

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

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
start_with(const struct options *o)
{
	int controls[2], signings[2], errors[2], fd;
	struct msg m;

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
		signer_run(o);
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
start(void **state)
{
	static const struct options o;

	(void)state;
	return start_with(&o);
}

/* A key that takes about a millisecond for each signature. */
static int
start_with_key(void **state)
{
	static struct options o = { .n_cert = 1 };
	static char path[64];
	FILE *f;
	EVP_PKEY *key = EVP_RSA_gen(2048);

	(void)state;
	strcpy(path, "/tmp/imapgate-signer-XXXXXX");
	o.key[0] = path;
	f = fdopen(mkstemp(path), "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
	EVP_PKEY_free(key);
	start_with(&o);
	return unlink(path);
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

/* What a TLS 1.3 server signs (RFC 8446, 4.4.3). */
static void
ask_signature(int fd)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	struct msg m;

	msg_begin(&m, MSG_SIGN);
	m.u.sign.scheme = 0x0804;	/* rsa_pss_rsae_sha256 */
	m.u.sign.len = 64 + sizeof(context) + 32;
	memset(m.u.sign.tbs, ' ', 64);
	memcpy(m.u.sign.tbs + 64, context, sizeof(context));
	assert_int_equal(msg_send(fd, &m), 0);
}

static bool
is_answered(int fd)
{
	return poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0) == 1;
}

#define HANDSHAKES	300

/* Waits for all signatures. */
static void
take_signatures(int pairs[HANDSHAKES][2])
{
	struct msg m;
	int i;

	for (i = 0; i < HANDSHAKES; i++) {
		assert_int_equal(msg_recv(pairs[i][0], &m), 1);
		assert_true(m.type == MSG_SIGN_ANSWER && m.u.sign_answer.len > 0);
		close(pairs[i][0]);
	}
}

static void
ask_signatures(int pairs[HANDSHAKES][2])
{
	int i;

	for (i = 0; i < HANDSHAKES; i++) {
		assert_int_equal(msg_pair(pairs[i]), 0);
		send_pair(pairs[i][1]);
	}
	kill(signer, SIGSTOP);
	for (i = 0; i < HANDSHAKES; i++)
		ask_signature(pairs[i][0]);
}

/* Many handshakes want a signature, and the zygote an answer, which comes long before theirs. */
static void
zygote_among_many_signatures(void **state)
{
	int pairs[HANDSHAKES][2], answered = 0, i;
	struct msg m;

	(void)state;
	ask_signatures(pairs);
	msg_begin(&m, MSG_KEY);
	assert_int_equal(msg_send(signing, &m), 0);
	kill(signer, SIGCONT);
	assert_int_equal(msg_recv(signing, &m), 1);
	assert_int_equal(m.type, MSG_KEY_ANSWER);
	for (i = 0; i < HANDSHAKES; i++)
		answered += is_answered(pairs[i][0]);
	assert_in_range(answered, 0, HANDSHAKES / 2);
	take_signatures(pairs);
	close(control);
	close(signing);
}

/* The end of the zygote is seen between signatures, and is no end of a pair. */
static void
end_of_the_zygote_among_many_signatures(void **state)
{
	int pairs[HANDSHAKES][2], status = -1;

	(void)state;
	ask_signatures(pairs);
	close(signing);
	kill(signer, SIGCONT);
	take_signatures(pairs);
	assert_true(ends(&status));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(control);
}

#define WITH_SIGNER(f)	cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIGNER(pairs_with_the_number_of_the_closed_control),
		WITH_SIGNER(last_words_behind_the_end_of_the_listener),
		WITH_SIGNER(question_of_the_listener),
		cmocka_unit_test_setup_teardown(zygote_among_many_signatures, start_with_key, stop),
		cmocka_unit_test_setup_teardown(end_of_the_zygote_among_many_signatures, start_with_key, stop),
	};

	return cmocka_run_group_tests_name("signer", tests, NULL, NULL);
}
