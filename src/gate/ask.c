/*
 * Messages to the monitor, see ask.h. Run by the gate in its sandbox, which reads from the
 * network and trusts the monitor; the gate zygote uses it to ask the signer and to log.
 */

#include "gate/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* Static, because the callbacks of struct tls_callbacks and log_sink get no context. */
static int monitor_fd = -1, sign_fd = -1;
static int64_t login_deadline;
static bool unanswered;		/* a question since ask_init() had no answer */

void
ask_init(int monitor, int sign, int64_t deadline)
{
	monitor_fd = monitor;
	sign_fd = sign;
	login_deadline = deadline;
	unanswered = false;
}

bool
ask_is_unanswered(void)
{
	return unanswered;
}

static bool
exchange(int fd, struct msg *m, int fds[MSG_FDS_MAX])
{
	enum msg_type answer = (enum msg_type)(m->type + 1);
	struct pollfd pfd = { fd, POLLIN, 0 };
	int n, sent = msg_send(fd, m);

	msg_wipe(m);
	if (sent == -1)
		return false;
	do
		n = poll(&pfd, 1, clock_left(login_deadline));
	while (n == -1 && errno == EINTR && clock_left(login_deadline) > 0);
	if (n != 1 || msg_recv_fds(fd, m, fds) == 0)
		return false;
	if (m->type != answer)
		bug("answer of type %u, not %u", m->type, answer);
	return true;
}

/*
 * Sends a question and waits for its answer, which replaces the question in m. The answer's
 * descriptors are stored in fds. Returns false if there is no answer in time, and from then on:
 * a late answer must not be taken for the next question's.
 */
static bool
ask_question(int fd, struct msg *m, int fds[MSG_FDS_MAX])
{
	if (unanswered)
		msg_wipe(m);
	else
		unanswered = !exchange(fd, m, fds);
	return !unanswered;
}

bool
ask_login(enum msg_mechanism mechanism, const struct credentials *cred, struct msg_login_answer *answer)
{
	int fds[MSG_FDS_MAX];
	struct msg m;
	bool answered;

	msg_begin(&m, MSG_LOGIN);
	m.u.login.mechanism = mechanism;
	if (!cred->malformed) {
		msg_text(m.u.login.authcid, sizeof(m.u.login.authcid), cred->authcid, strlen(cred->authcid));
		msg_text(m.u.login.authzid, sizeof(m.u.login.authzid), cred->authzid, strlen(cred->authzid));
		msg_text(m.u.login.secret, sizeof(m.u.login.secret), cred->secret, strlen(cred->secret));
	}
	answered = ask_question(monitor_fd, &m, fds);
	if (answered)
		*answer = m.u.login_answer;
	return answered;
}

bool
ask_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN], char reason[MSG_REASON_MAX])
{
	int fds[MSG_FDS_MAX];
	struct msg m;

	msg_begin(&m, MSG_KEY);
	m.u.key.index = index;
	memcpy(m.u.key.key_digest, key_digest, MSG_DIGEST_LEN);
	strcpy(reason, "the process with the private keys does not answer");
	if (!ask_question(sign_fd, &m, fds))
		return false;
	memcpy(reason, m.u.key_answer.reason, MSG_REASON_MAX);
	return m.u.key_answer.held != 0;
}

size_t
ask_sign(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	int fds[MSG_FDS_MAX];
	struct msg m;

	(void)arg;
	if (len > sizeof(m.u.sign.tbs))
		return 0;
	msg_begin(&m, MSG_SIGN);
	m.u.sign.index = index;
	m.u.sign.scheme = scheme;
	m.u.sign.len = (uint32_t)len;
	memcpy(m.u.sign.tbs, tbs, len);
	if (!ask_question(sign_fd, &m, fds))
		return 0;
	if (m.u.sign_answer.len > size || m.u.sign_answer.len > sizeof(m.u.sign_answer.signature))
		return 0;
	memcpy(signature, m.u.sign_answer.signature, m.u.sign_answer.len);
	return m.u.sign_answer.len;
}

bool
ask_launch(const struct msg_launch *launch, int *stream)
{
	int fds[MSG_FDS_MAX];
	struct msg m;

	msg_begin(&m, MSG_LAUNCH);
	m.u.launch = *launch;
	*stream = -1;
	if (launch->transport != TRANSPORT_RELAY)
		return msg_send(monitor_fd, &m) == 0;
	if (!ask_question(monitor_fd, &m, fds))
		return false;
	*stream = fds[0];
	return true;
}

bool
ask_proxied(const struct proxy *header, enum msg_limit *limit)
{
	int fds[MSG_FDS_MAX];
	struct msg m;

	msg_begin(&m, MSG_PROXIED);
	m.u.proxied.client = header->client;
	m.u.proxied.tls = header->tls;
	m.u.proxied.source = header->source;
	m.u.proxied.destination = header->destination;
	strcpy(m.u.proxied.tls_protocol, header->tls_protocol);
	strcpy(m.u.proxied.tls_cipher, header->tls_cipher);
	if (!ask_question(monitor_fd, &m, fds))
		return false;
	*limit = (enum msg_limit)m.u.proxied_answer.limit;
	return true;
}

void
ask_report_output(enum program_output output)
{
	struct msg m;

	msg_begin(&m, MSG_PROGRAM_OUTPUT);
	m.u.program_output.output = output;
	msg_send_fds(monitor_fd, &m, NULL, false);
}

void
ask_log(const struct msg_log *log)
{
	struct msg m;

	msg_begin(&m, MSG_LOG);
	m.u.log = *log;
	msg_send(monitor_fd, &m);
}

void
ask_log_tls_failure(const char *text)
{
	struct msg_log log = { .event = EVENT_TLS_FAIL };

	snprintf(log.text, sizeof(log.text), "%s", text);
	ask_log(&log);
}

void
ask_log_failure(int priority, const char *text)
{
	struct msg_log log = { .event = priority <= LOG_CRIT ? EVENT_BUG : EVENT_ERROR };

	snprintf(log.text, sizeof(log.text), "%s", text);
	ask_log(&log);
}
