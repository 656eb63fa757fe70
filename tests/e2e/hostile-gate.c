/*
 * A gate that was taken over: it says to the real monitor whatever its case
 * wants, and the monitor has to end without having started anything.
 *
 *   hostile-gate CASE [imapgate's options] -- PROGRAM [ARGUMENT ...]
 *   hostile-gate --list
 *
 * This process becomes the monitor, as in connection.c; its exit status is
 * the monitor's. The child, which lives as long as its case wants, is the gate.
 */

#include <sys/socket.h>
#include <sys/syscall.h>

#include <err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "monitor/launch.h"
#include "monitor/monitor.h"
#include "boundary/msg.h"
#include "options.h"
#include "peer.h"
#include "publickey.h"

#define TLS13_ECDSA_SHA256	0x0403

static struct options opts;
static int monitor;	/* the pair's end that a gate has */

/* What the monitor has said, or nothing if it has ended. */
static struct msg
answer(void)
{
	struct msg m;

	memset(&m, 0, sizeof(m));
	if (recv(monitor, &m, sizeof(m), 0) <= 0)
		_exit(0);
	return m;
}

static void
say(const void *bytes, size_t len)
{
	(void)!send(monitor, bytes, len, MSG_NOSIGNAL);
}

static struct msg
login(const char *secret)
{
	struct msg m = { .type = MSG_LOGIN };

	m.u.login.mechanism = MECH_LOGIN_COMMAND;
	strcpy(m.u.login.authcid, "joe");
	strcpy(m.u.login.secret, secret);
	return m;
}

static struct msg
launch(const char *tag)
{
	struct msg m = { .type = MSG_LAUNCH };

	m.u.launch.how = HOW_EXEC;
	memcpy(m.u.launch.tag, tag, strlen(tag) + 1);
	return m;
}

static struct msg
line(uint32_t event)
{
	struct msg m = { .type = MSG_LOG };

	m.u.log.event = event;
	return m;
}

/* What a TLS 1.3 server signs (RFC 8446, 4.4.3). */
static struct msg
signature(uint32_t index)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	struct msg m = { .type = MSG_SIGN };

	m.u.sign.index = index;
	m.u.sign.scheme = TLS13_ECDSA_SHA256;
	m.u.sign.len = 64 + sizeof(context) + 32;
	memset(m.u.sign.tbs, ' ', 64);
	memcpy(m.u.sign.tbs + 64, context, sizeof(context));
	return m;
}

/* The monitor signs only with keys that it was shown the certificate of. */
static void
show_certificate(void)
{
	struct msg m = { .type = MSG_KEY };
	FILE *f = fopen(opts.cert[0], "r");
	X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);

	if (cert == NULL || !publickey_digest(X509_get0_pubkey(cert), m.u.key.key_digest))
		errx(1, "%s: no certificate", opts.cert[0]);
	msg_send(monitor, &m);
	if (answer().u.key_answer.held == 0)
		errx(1, "the key was refused");
}

static void
be_accepted(void)
{
	struct msg m = login("sesame");

	msg_send(monitor, &m);
	m = answer();
	if (m.u.login_answer.outcome != OUTCOME_OK)
		errx(1, "joe was not let in");
}

/* The cases. */

static void
honest(void)
{
	struct msg m = launch("a");

	be_accepted();
	msg_send(monitor, &m);
}

static void
silent(void)
{
	pause();
}

static void
gone(void)
{
}

static void
killed(void)
{
	raise(SIGKILL);
}

static void
nonsense(void)
{
	static const unsigned char bytes[64] = { 0xde, 0xad, 0xbe, 0xef, 1, 2, 3 };

	say(bytes, sizeof(bytes));
	pause();
}

static void
empty(void)
{
	say("", 0);
	pause();
}

static void
one_octet(void)
{
	say("\2", 1);
	pause();
}

static void
type_only(void)
{
	uint32_t type = MSG_LOGIN;

	say(&type, sizeof(type));
	pause();
}

static void
one_octet_short(void)
{
	struct msg m = login("sesame");

	say(&m, offsetof(struct msg, u) + sizeof(m.u.login) - 1);
	pause();
}

static void
one_octet_long(void)
{
	struct msg m = login("sesame");

	say(&m, offsetof(struct msg, u) + sizeof(m.u.login) + 1);
	pause();
}

static void
oversize(void)
{
	static char bytes[64 << 10] = { MSG_LOGIN };

	say(bytes, sizeof(bytes));
	pause();
}

static void
of_type(uint32_t type)
{
	struct msg m = { .type = type };

	say(&m, sizeof(m));
	pause();
}

static void
type_zero(void)
{
	of_type(0);
}

static void
type_unknown(void)
{
	of_type(12);
}

static void
type_negative(void)
{
	of_type(0xffffffff);
}

static void
an_answer(void)
{
	struct msg m = { .type = MSG_LOGIN_ANSWER };

	m.u.login_answer.outcome = OUTCOME_OK;
	msg_send(monitor, &m);
	pause();
}

/* Text in a field of this message that does not end where the field does. */
static void
say_endless(struct msg m, char *field, size_t size)
{
	memset(field, 'a', size);
	say(&m, offsetof(struct msg, u) + (m.type == MSG_LOGIN ? sizeof(m.u.login) :
	    m.type == MSG_LAUNCH ? sizeof(m.u.launch) : sizeof(m.u.log)));
	pause();
}

static void
name_without_end(void)
{
	struct msg m = login("sesame");

	memset(m.u.login.authcid, 'a', sizeof(m.u.login.authcid));
	say_endless(m, m.u.login.authcid, 1);
}

static void
secret_without_end(void)
{
	struct msg m = login("sesame");

	memset(m.u.login.secret, 'a', sizeof(m.u.login.secret));
	say_endless(m, m.u.login.authcid, 1);
}

static void
tag_without_end(void)
{
	struct msg m = launch("a");

	be_accepted();
	memset(m.u.launch.tag, 'a', sizeof(m.u.launch.tag));
	say_endless(m, m.u.launch.tls.sni, 0);
}

static void
cipher_without_end(void)
{
	struct msg m = launch("a");

	be_accepted();
	memset(m.u.launch.tls.cipher, 'a', sizeof(m.u.launch.tls.cipher));
	say_endless(m, m.u.launch.tls.sni, 0);
}

static void
text_without_end(void)
{
	struct msg m = line(EVENT_TLS_FAIL);

	memset(m.u.log.text, 'a', sizeof(m.u.log.text));
	say_endless(m, m.u.log.tls.sni, 0);
}

/* A message that is good but for the descriptor that comes with it. */
static void
with_descriptor(void)
{
	struct msg m = login("sesame");
	struct iovec iov = { &m, offsetof(struct msg, u) + sizeof(m.u.login) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room) };

	memcpy(CMSG_DATA(&control.header), &(int){ STDERR_FILENO }, sizeof(int));
	sendmsg(monitor, &hdr, MSG_NOSIGNAL);
	pause();
}

static void
launch_before_login(void)
{
	struct msg m = launch("a");

	msg_send(monitor, &m);
	pause();
}

static void
launch_after_failure(void)
{
	struct msg m = login("mumble");

	msg_send(monitor, &m);
	answer();
	launch_before_login();
}

static void
launch_with_login_unanswered(void)
{
	struct msg first = login("mumble"), second = launch("a");

	msg_send(monitor, &first);
	msg_send(monitor, &second);
	pause();
}

static void
login_after_login(void)
{
	struct msg m = login("sesame");

	be_accepted();
	msg_send(monitor, &m);
	pause();
}

static void
sign_after_login(void)
{
	struct msg m = signature(0);

	be_accepted();
	msg_send(monitor, &m);
	pause();
}

static void
login_once_too_often(void)
{
	for (;;) {
		struct msg m = login("mumble");

		msg_send(monitor, &m);
		answer();
	}
}

static void
by_mechanism(uint32_t mechanism)
{
	struct msg m = login("sesame");

	m.u.login.mechanism = mechanism;
	msg_send(monitor, &m);
	m = answer();
	if (m.u.login_answer.outcome != OUTCOME_OK)
		_exit(0);
	m = launch("a");
	msg_send(monitor, &m);
	_exit(0);
}

static void
mechanism_zero(void)
{
	by_mechanism(0);
}

static void
mechanism_unknown(void)
{
	by_mechanism(99);
}

/* Those that need no password, where nobody has switched them on. */
static void
mechanism_external(void)
{
	by_mechanism(MECH_EXTERNAL);
}

static void
mechanism_preauth(void)
{
	by_mechanism(MECH_PREAUTH);
}

static void
mechanism_token(void)
{
	by_mechanism(MECH_OAUTHBEARER);
}

static void
sign_twice(void)
{
	struct msg m = signature(0);

	show_certificate();
	msg_send(monitor, &m);
	if (answer().u.sign_answer.len == 0)
		errx(1, "the first signature was refused");
	msg_send(monitor, &m);
	pause();
}

/* A signature that is no TLS handshake's must not be made, and there is no answer. */
static void
sign_anything(void)
{
	struct msg m = signature(0);

	show_certificate();
	memset(m.u.sign.tbs, 'x', sizeof(m.u.sign.tbs));
	msg_send(monitor, &m);
	answer();
	raise(SIGABRT);
}

static void
sign_too_much(void)
{
	struct msg m = signature(0);

	show_certificate();
	m.u.sign.len = 0x7fffffff;
	msg_send(monitor, &m);
	answer();
	raise(SIGABRT);
}

static void
sign_with_no_key(void)
{
	struct msg m = signature(0xffffffff);

	msg_send(monitor, &m);
	answer();
	raise(SIGABRT);
}

static void
ask_for_keys(void)
{
	struct msg m = { .type = MSG_KEY };

	m.u.key.index = (uint32_t)opts.certs;
	msg_send(monitor, &m);
	answer();
	raise(SIGABRT);
}

static void
ask_for_a_key_for_ever(void)
{
	struct msg m = { .type = MSG_KEY };

	for (;;) {
		msg_send(monitor, &m);
		if (answer().u.key_answer.held != 0)
			raise(SIGABRT);
	}
}

static void
with_tag(const char *tag)
{
	struct msg m = launch(tag);

	be_accepted();
	msg_send(monitor, &m);
	_exit(0);
}

/* There is no superserver whose descriptors the mailbox program could have. */
static void
launch_in_no_tunnel(void)
{
	struct msg m = launch("a");

	m.u.launch.how = HOW_TUNNEL;
	strcpy(m.u.launch.tls.protocol, "TLSv1.3");
	be_accepted();
	msg_send(monitor, &m);
	_exit(0);
}

static void
no_tag(void)
{
	with_tag("");
}

static void
tag_with_space(void)
{
	with_tag("a OK fooled");
}

static void
tag_with_line_end(void)
{
	with_tag("a\r\n*");
}

static void
log_without_end(void)
{
	for (;;) {
		struct msg m = line(EVENT_TLS_FAIL);

		if (msg_send(monitor, &m) == -1)
			_exit(0);
	}
}

static void
log_unknown_event(void)
{
	struct msg m = line(99);

	msg_send(monitor, &m);
	pause();
}

static void
log_unknown_reason(void)
{
	struct msg m = line(EVENT_END);

	m.u.log.reason = 99;
	msg_send(monitor, &m);
	pause();
}

static void
log_unknown_mechanism(void)
{
	struct msg m = line(EVENT_AUTH_REFUSED);

	m.u.log.mechanism = 99;
	msg_send(monitor, &m);
	pause();
}

/* Keys of every later line: a forged one would be believed. */
static void
log_forged_cipher(void)
{
	struct msg m = line(EVENT_TLS);

	strcpy(m.u.log.tls.protocol, "TLSv1.3");
	strcpy(m.u.log.tls.cipher, "X\nimapgate[1]: auth-ok rip=192.0.2.1");
	msg_send(monitor, &m);
	pause();
}

static void
log_bug_of_mine(void)
{
	struct msg m = line(EVENT_BUG);

	strcpy(m.u.log.text, "x\" rip=192.0.2.1\nimapgate[1]: auth-ok");
	msg_send(monitor, &m);
	_exit(70);
}

static const struct hostility {
	const char	*name;
	void		(*act)(void);
} cases[] = {
	{ "honest", honest },
	{ "silent", silent },
	{ "gone", gone },
	{ "killed", killed },
	{ "nonsense", nonsense },
	{ "empty", empty },
	{ "one-octet", one_octet },
	{ "type-only", type_only },
	{ "one-octet-short", one_octet_short },
	{ "one-octet-long", one_octet_long },
	{ "oversize", oversize },
	{ "type-zero", type_zero },
	{ "type-unknown", type_unknown },
	{ "type-negative", type_negative },
	{ "an-answer", an_answer },
	{ "name-without-end", name_without_end },
	{ "secret-without-end", secret_without_end },
	{ "tag-without-end", tag_without_end },
	{ "cipher-without-end", cipher_without_end },
	{ "text-without-end", text_without_end },
	{ "with-descriptor", with_descriptor },
	{ "launch-before-login", launch_before_login },
	{ "launch-after-failure", launch_after_failure },
	{ "launch-with-login-unanswered", launch_with_login_unanswered },
	{ "launch-in-no-tunnel", launch_in_no_tunnel },
	{ "login-after-login", login_after_login },
	{ "sign-after-login", sign_after_login },
	{ "login-once-too-often", login_once_too_often },
	{ "mechanism-zero", mechanism_zero },
	{ "mechanism-unknown", mechanism_unknown },
	{ "mechanism-external", mechanism_external },
	{ "mechanism-preauth", mechanism_preauth },
	{ "mechanism-token", mechanism_token },
	{ "sign-twice", sign_twice },
	{ "sign-anything", sign_anything },
	{ "sign-too-much", sign_too_much },
	{ "sign-with-no-key", sign_with_no_key },
	{ "ask-for-keys", ask_for_keys },
	{ "ask-for-a-key-for-ever", ask_for_a_key_for_ever },
	{ "no-tag", no_tag },
	{ "tag-with-space", tag_with_space },
	{ "tag-with-line-end", tag_with_line_end },
	{ "log-without-end", log_without_end },
	{ "log-unknown-event", log_unknown_event },
	{ "log-unknown-reason", log_unknown_reason },
	{ "log-unknown-mechanism", log_unknown_mechanism },
	{ "log-forged-cipher", log_forged_cipher },
	{ "log-bug-of-mine", log_bug_of_mine },
};
#define CASES	(sizeof(cases) / sizeof(cases[0]))

/* The keys of every line, as in connection.c. */
static void
describe(const struct peer *p)
{
	log_context("rip", p->ip);
	log_context("rport", p->port);
	log_context("lip", p->local_ip);
	log_context("lport", p->local_port);
	log_context("tls", "none");
	log_context("cipher", "none");
}

static const struct hostility *
find(const char *name)
{
	for (size_t i = 0; i < CASES; i++)
		if (strcmp(cases[i].name, name) == 0)
			return &cases[i];
	errx(64, "what is \"%s\"?", name);
}

int
main(int argc, char *argv[])
{
	static struct peer peer;
	struct inherited inherited;
	const struct hostility *hostility;
	int pair[2];
	pid_t gate;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < CASES; i++)
			puts(cases[i].name);
		return 0;
	}
	if (argc < 2)
		errx(64, "usage: hostile-gate CASE [options] -- PROGRAM [ARGUMENT ...]");
	hostility = find(argv[1]);
	options_parse(&opts, argc - 1, argv + 1);
	log_open(opts.log);
	inherited_take(&inherited, NULL);
	peer_look(&peer, STDIN_FILENO, NULL);
	describe(&peer);
	if (msg_pair(pair) == -1)
		die("socketpair");
	gate = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
	if (gate == -1)
		err(71, "fork");
	if (gate == 0) {
		close(pair[0]);
		monitor = pair[1];
		hostility->act();
		_exit(0);
	}
	close(pair[1]);
	monitor_run(&(struct monitor_start){ .opts = &opts, .peer = &peer, .inherited = &inherited, .gate = gate, .gate_fd = pair[0],
	    .deadline = clock_ms() + opts.timeout_ms });
}
