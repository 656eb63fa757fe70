/*
 * The signer, see signer.h. Starts as root and reads the private keys; then it is the gate user
 * in the sandbox. Reads messages of gates, which sign.c checks; nothing from the network.
 */

#include "signer/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/again.h"
#include "base/log.h"
#include "base/openssl.h"
#include "boundary/msg.h"
#include "role.h"
#include "sandbox.h"
#include "signer/sign.h"

#define EVENTS	64

/* Messages of the gate zygote that are read in a row. */
#define MESSAGES_MAX	64

static struct signer {
	struct sign_keys	 keys;
	int			 epoll;
	bool			 has_listener, has_zygote;
	size_t			 pairs;		/* open pairs */
	struct owner {
		uint32_t	slot, serial;
	}			*owner;		/* connection of each pair, by descriptor */
	size_t			 owners;
	unsigned		 tries;		/* reads in a row that found nothing */
} signer;

/* Sends the messages of die() and bug() to the listener, which has the log. */
static void
log_to_listener(int priority, const char *text)
{
	struct msg m;

	msg_begin(&m, MSG_LOG);
	m.u.log.event = priority <= LOG_CRIT ? EVENT_BUG : EVENT_ERROR;
	msg_text(m.u.log.text, sizeof(m.u.log.text), text, strnlen(text, sizeof(m.u.log.text) - 1));
	msg_send_fds(ROLE_CONTROL, &m, NULL, false);
}

static void
watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

	if (epoll_ctl(signer.epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		die("epoll");
}

static void
report_request(const struct owner *owner, const struct msg_sign *q, bool refused, const char *reason)
{
	struct msg m;

	if (!signer.has_listener)
		return;
	msg_begin(&m, MSG_SIGN_REPORT);
	m.u.sign_report.slot = owner->slot;
	m.u.sign_report.serial = owner->serial;
	m.u.sign_report.refused = refused;
	m.u.sign_report.index = q->index;
	m.u.sign_report.scheme = q->scheme;
	m.u.sign_report.len = q->len;
	msg_text(m.u.sign_report.reason, MSG_REASON_MAX, reason, strnlen(reason, MSG_REASON_MAX - 1));
	/* Does not wait: a slow listener must not delay handshakes. */
	msg_send_fds(ROLE_CONTROL, &m, NULL, false);
}

/* Returns whether there was nothing to read. Dies if that repeats: it would be a busy loop. */
static bool
is_spurious(int received)
{
	if (received != 0 || errno != EAGAIN) {
		signer.tries = 0;
		return false;
	}
	if (!again(&signer.tries))
		die("recvmsg");
	return true;
}

/* SECURITY: answers one request only, then closes the pair. */
static void
answer_pair(int fd)
{
	static struct msg question, answer;
	const struct owner *owner = &signer.owner[fd];
	const char *error = NULL;
	int fds[MSG_FDS_MAX], received = msg_recv_now(fd, &question, fds, &error);

	if (is_spurious(received))
		return;
	if (received == 1 && question.type == MSG_SIGN) {
		msg_begin(&answer, MSG_SIGN_ANSWER);
		error = sign_answer(&signer.keys, &question.u.sign, &answer.u.sign_answer);
		if (error != NULL)
			report_request(owner, &question.u.sign, true, error);
		else if (answer.u.sign_answer.len == 0)
			report_request(owner, &question.u.sign, false, "signing with this key failed");
		if (error == NULL)
			msg_send_fds(fd, &answer, NULL, false);
	} else if (received != 0)
		report_request(owner, &(struct msg_sign){ .index = 0 }, true, error != NULL ? error : "not a request for a signature");
	/* SECURITY: descriptors of another message type must not fill up this process. */
	if (received == 1)
		msg_close_fds(fds);
	close(fd);
	signer.pairs--;
}

static void
take_pair(int fd, const struct msg_pair *pair)
{
	size_t wanted = (size_t)fd + 1;
	struct owner *more;

	if (wanted > signer.owners) {
		wanted += 256;
		more = reallocarray(signer.owner, wanted, sizeof(*more));
		if (more == NULL) {
			close(fd);
			return;
		}
		signer.owner = more;
		signer.owners = wanted;
	}
	signer.owner[fd] = (struct owner){ pair->slot, pair->serial };
	watch(fd);
	signer.pairs++;
}

static void
answer_key(const struct msg_key *q)
{
	static struct msg answer;
	const char *reason = sign_answer_key(&signer.keys, q->index, q->key_digest);

	msg_begin(&answer, MSG_KEY_ANSWER);
	answer.u.key_answer.held = reason == NULL;
	if (reason != NULL)
		msg_text(answer.u.key_answer.reason, MSG_REASON_MAX, reason, strnlen(reason, MSG_REASON_MAX - 1));
	msg_send(ROLE_SIGNING, &answer);
}

/*
 * Handles one message of the gate zygote. Returns false if there is none. If descriptors run out,
 * a pair is lost: its gate reads the end of file, and the handshake fails.
 */
static bool
handle_zygote(void)
{
	static struct msg m;
	const char *error = NULL;
	int fds[MSG_FDS_MAX], received = msg_recv_now(ROLE_SIGNING, &m, fds, &error);

	if (received == 0 && errno == EAGAIN)
		return false;
	if (received == 1 && m.type == MSG_KEY)
		answer_key(&m.u.key);
	else if (received == 1 && m.type == MSG_PAIR)
		take_pair(fds[0], &m.u.pair);
	else if (received == 1)
		msg_close_fds(fds);
	else if (received == 0) {
		close(ROLE_SIGNING);
		signer.has_zygote = false;
	}
	return true;
}

/*
 * Handles the messages of the gate zygote, a limited number at a time. The zygote waits for room in
 * the socket, and forks no gate meanwhile.
 */
static void
drain_zygote(void)
{
	for (int i = 0; i < MESSAGES_MAX && signer.has_zygote && handle_zygote(); i++)
		;
}

static void
discard_message(int priority, const char *text)
{
	(void)priority;
	(void)text;
}

/*
 * Answers the listener's MSG_READY (process_is_silent()). At the end of file, and after any other
 * message, closes the pair.
 */
static void
handle_listener(void)
{
	static struct msg m;
	const char *error = NULL;
	int fds[MSG_FDS_MAX], received = msg_recv_now(ROLE_CONTROL, &m, fds, &error);

	if (is_spurious(received))
		return;
	if (received == 1 && m.type == MSG_READY) {
		msg_send_fds(ROLE_CONTROL, &m, NULL, false);
		return;
	}
	if (received == 1)
		msg_close_fds(fds);
	close(ROLE_CONTROL);
	signer.has_listener = false;
	log_sink = discard_message;
}

/*
 * Dispatches input, and drains the gate zygote after each: signatures are slow, and there may be
 * many of them. So an event of ROLE_SIGNING may be of a descriptor that is closed by now, but not
 * of a pair: no pair comes after the end of the zygote. The number of ROLE_CONTROL may be a pair's.
 */
static void
dispatch_input(int fd)
{
	if (fd == ROLE_CONTROL && signer.has_listener)
		handle_listener();
	else if (fd != ROLE_SIGNING)
		answer_pair(fd);
	drain_zygote();
}

static void __attribute__((noreturn))
signer_serve(void)
{
	struct epoll_event events[EVENTS];
	unsigned tries = 0;
	int i, n;

	while (signer.has_zygote || signer.pairs > 0) {
		n = epoll_wait(signer.epoll, events, EVENTS, -1);
		if (n == -1 && (errno != EINTR || !again(&tries)))
			die("epoll_wait");
		if (n >= 0)
			tries = 0;
		for (i = 0; i < n; i++)
			dispatch_input(events[i].data.fd);
	}
	sign_forget(&signer.keys);
	_exit(0);
}

/*
 * Reads all keys while the process is root. The gate zygote requests each key later, and logs
 * failures.
 */
static void
load_keys(const struct options *o)
{
	static const uint8_t nothing[MSG_DIGEST_LEN];
	uint32_t i;

	signer.keys.opts = o;
	for (i = 0; i < o->n_cert; i++)
		sign_answer_key(&signer.keys, i, nothing);
}

void
signer_run(const struct options *o)
{
	struct sandbox sandbox = { .privileged = false };
	struct msg m;

	openssl_begin();
	load_keys(o);
	die_status = EX_CONFIG;
	sandbox_find(&sandbox, o);
	die_status = EX_TEMPFAIL;
	signer.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (signer.epoll == -1)
		die("epoll");
	signer.has_listener = signer.has_zygote = true;
	watch(ROLE_CONTROL);
	watch(ROLE_SIGNING);
	log_sink = log_to_listener;
	role_close_log();
	sandbox_enter(&sandbox, SANDBOX_SIGNER);
	msg_begin(&m, MSG_READY);
	if (msg_send(ROLE_CONTROL, &m) == -1)
		_exit(0);
	signer_serve();
}
