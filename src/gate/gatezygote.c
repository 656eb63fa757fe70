/*
 * The gate zygote, see gatezygote.h. Starts as root to read the certificates; then runs as the
 * gate user in the sandbox, with an empty root directory. Trusts listener and signer; does not
 * read from the network.
 */

#include "gate/gatezygote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sibling.h"
#include "boundary/msg.h"
#include "gate/ask.h"
#include "gate/gate.h"
#include "role.h"
#include "sandbox.h"
#include "tls/tls.h"

/* Timeout of one answer of the signer, in milliseconds, before there is a client. */
#define SIGNER_MS	10000

static struct zygote {
	const struct options	*opts[2];	/* indexed by tls_on_connect */
	struct tls		 tls;
	struct sandbox		 sandbox;
} zygote;

static void
log_file_error(const char *event, const char *file, const char *reason)
{
	struct log_line line;

	log_begin(&line, LOG_ERR, event);
	if (file != NULL)
		log_text(&line, "file", file);
	log_text(&line, "reason", reason);
	log_write(&line);
}

static void
log_tls_error(const char *file, const char *error)
{
	log_file_error("certificate-fail", file, error);
}

static bool
has_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN])
{
	char reason[MSG_REASON_MAX];

	if (ask_key(index, key_digest, reason))
		return true;
	log_file_error("key-fail", zygote.opts[0]->key[index], reason);
	return false;
}

/*
 * Makes a pair for one signature and sends the signer its end. Returns the other end, or -1 with
 * errno.
 */
static int
make_pair(uint32_t slot, uint32_t serial)
{
	struct msg m;
	int pair[2], sent;

	if (msg_pair(pair) == -1)
		return -1;
	msg_begin(&m, MSG_PAIR);
	m.u.pair.slot = slot;
	m.u.pair.serial = serial;
	sent = msg_send_fds(ROLE_SIGNING, &m, &pair[1], true);
	close(pair[1]);
	if (sent == 0)
		return pair[0];
	close(pair[0]);
	return -1;
}

/* Signs for the self-test like a gate (a remotekey_sign). Without a pair, asking fails. */
static size_t
sign(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	int pair = make_pair(UINT32_MAX, 0);
	size_t n;

	ask_init(-1, pair, clock_ms() + SIGNER_MS);
	n = ask_sign(arg, index, scheme, tbs, len, signature, size);
	if (pair != -1)
		close(pair);
	return n;
}

static const struct tls_callbacks callbacks = { has_key, sign, log_tls_error };

/* Returns whether descriptors have run out. */
static bool
lacks_descriptors(void)
{
	int pair[2];

	if (msg_pair(pair) == -1)
		return true;
	close(pair[0]);
	close(pair[1]);
	return false;
}

static void
send_ready(const struct msg_ready *ready)
{
	struct msg m;

	msg_begin(&m, MSG_READY);
	m.u.ready = *ready;
	if (msg_send(ROLE_CONTROL, &m) == -1)
		_exit(0);
}

/*
 * Reports that TLS is not possible, with the error and its file (NULL: none, or several), and
 * exits. A single certificate is named in any case.
 */
static void __attribute__((noreturn))
report_no_tls(const struct options *o, const char *file, const char *error)
{
	struct msg_ready ready = { .failed = 1, .later = ask_is_unanswered() || lacks_descriptors() };

	if (ready.later)
		error = "the signer can't be asked";
	if (file == NULL && o->n_cert == 1)
		file = o->cert[0];
	snprintf(ready.file, sizeof(ready.file), "%s", file != NULL ? file : "");
	snprintf(ready.reason, sizeof(ready.reason), "%s", error);
	send_ready(&ready);
	_exit(0);
}

static void
make_tls(struct tls *t, const struct options *o)
{
	const char *error;

	tls_load(t, o, &callbacks);
	ask_init(-1, ROLE_SIGNING, clock_ms() + SIGNER_MS);
	error = tls_prepare(t);
	/* Certificates must not be left out because the signer was slow. */
	if (error != NULL || ask_is_unanswered())
		report_no_tls(o, t->error_file, error);
	if (!tls_self_test(t))
		report_no_tls(o, o->cert[t->certificate[0].index], "the self-test, a handshake with itself, failed");
}

/* Closes the log; the listener logs the messages of die() and bug() from here on. */
static void
redirect_log(void)
{
	role_close_log();
	ask_init(ROLE_CONTROL, -1, INT64_MAX);
	log_sink = ask_log_failure;
}

static void __attribute__((noreturn))
become_gate(const struct msg_spawn_gate *spawn, const int fds[MSG_FDS_MAX], int sign_fd)
{
	static struct peer peer;
	struct gate_start gate = { .opts = zygote.opts[spawn->tls_on_connect != 0], .peer = &peer, .monitor = fds[1], .sign = sign_fd,
	    .no_ktls = (enum ktls_obstacle)spawn->no_ktls, .deadline = spawn->deadline };

	peer = spawn->peer;
	gate.tls = zygote.tls.possible ? &zygote.tls : NULL;
	ask_init(fds[1], -1, spawn->deadline);
	if (dup2(fds[0], STDIN_FILENO) == -1 || dup2(fds[0], STDOUT_FILENO) == -1)
		die("dup2");
	gate_run(&gate);
}

static void
spawn_gate(const struct msg_spawn_gate *spawn, const int fds[MSG_FDS_MAX])
{
	bool signs = zygote.tls.possible;
	int sign_fd = signs ? make_pair(spawn->slot, spawn->serial) : -1;
	pid_t pid = signs && sign_fd == -1 ? -1 : sibling_fork();
	struct msg answer;

	if (pid == 0)
		become_gate(spawn, fds, sign_fd);
	msg_begin(&answer, MSG_SPAWNED);
	answer.u.spawned.slot = spawn->slot;
	answer.u.spawned.serial = spawn->serial;
	answer.u.spawned.pid = pid;
	answer.u.spawned.error = errno;
	if (sign_fd != -1)
		close(sign_fd);
	if (msg_send(ROLE_CONTROL, &answer) == -1)
		_exit(0);
}

static void __attribute__((noreturn))
gatezygote_serve(void)
{
	static struct msg m;
	int fds[MSG_FDS_MAX], i;

	while (msg_recv_fds(ROLE_CONTROL, &m, fds) == 1) {
		if (m.type != MSG_SPAWN_GATE)
			bug("the gate zygote received a message of type %u", m.type);
		spawn_gate(&m.u.spawn_gate, fds);
		for (i = 0; i < 2; i++)
			close(fds[i]);
	}
	_exit(0);
}

void
gatezygote_run(const struct options *o)
{
	static struct options on_connect;

	on_connect = *o;
	on_connect.tls_on_connect = true;
	zygote.opts[false] = o;
	zygote.opts[true] = &on_connect;
	if (o->n_cert > 0)
		make_tls(&zygote.tls, o);
	die_status = EX_CONFIG;
	sandbox_find(&zygote.sandbox, o);
	die_status = EX_TEMPFAIL;
	redirect_log();
	sandbox_enter(&zygote.sandbox, SANDBOX_ZYGOTE);
	zygote.sandbox = (struct sandbox){ .privileged = false };
	send_ready(&(struct msg_ready){ .usable = (uint32_t)zygote.tls.certificates });
	gatezygote_serve();
}
