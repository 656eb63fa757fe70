/*
 * Questions to the monitor, see ask.h. Run by the gate.
 */

#include "gate/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* There is one monitor, and OpenSSL calls us back without knowing it. */
static int monitor_fd = -1;
static int64_t deadline;

void
ask_init(int monitor, int64_t until)
{
	monitor_fd = monitor;
	deadline = until;
}

/* Sends a question and waits for its answer, which takes the question's place. */
static bool
ask(struct msg *m)
{
	enum msg_type answer = (enum msg_type)(m->type + 1);
	struct pollfd pfd = { monitor_fd, POLLIN, 0 };
	int n, sent = msg_send(monitor_fd, m);

	msg_wipe(m);
	if (sent == -1)
		return false;
	do
		n = poll(&pfd, 1, clock_left(deadline));
	while (n == -1 && errno == EINTR && clock_left(deadline) > 0);
	if (n != 1 || msg_recv(monitor_fd, m) == 0)
		return false;
	if (m->type != answer)
		bug("monitor answered %u instead of %u", m->type, answer);
	return true;
}

bool
ask_login(enum msg_mechanism mechanism, const struct credentials *cred, struct msg_login_answer *answer)
{
	struct msg m;
	bool answered;

	msg_begin(&m, MSG_LOGIN);
	m.u.login.mechanism = mechanism;
	if (!cred->malformed) {
		msg_text(m.u.login.authcid, sizeof(m.u.login.authcid), cred->authcid, strlen(cred->authcid));
		msg_text(m.u.login.authzid, sizeof(m.u.login.authzid), cred->authzid, strlen(cred->authzid));
		msg_text(m.u.login.secret, sizeof(m.u.login.secret), cred->secret, strlen(cred->secret));
	}
	answered = ask(&m);
	if (answered)
		*answer = m.u.login_answer;
	return answered;
}

bool
ask_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST])
{
	struct msg m;

	msg_begin(&m, MSG_KEY);
	m.u.key.index = index;
	memcpy(m.u.key.key_digest, key_digest, MSG_DIGEST);
	return ask(&m) && m.u.key_answer.held != 0;
}

size_t
ask_sign(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	struct msg m;

	(void)arg;
	if (len > sizeof(m.u.sign.tbs))
		return 0;
	msg_begin(&m, MSG_SIGN);
	m.u.sign.index = index;
	m.u.sign.scheme = scheme;
	m.u.sign.len = (uint32_t)len;
	memcpy(m.u.sign.tbs, tbs, len);
	if (!ask(&m))
		return 0;
	if (m.u.sign_answer.len > size || m.u.sign_answer.len > sizeof(m.u.sign_answer.signature))
		return 0;
	memcpy(signature, m.u.sign_answer.signature, m.u.sign_answer.len);
	return m.u.sign_answer.len;
}

void
ask_launch(const struct msg_launch *launch)
{
	struct msg m;

	msg_begin(&m, MSG_LAUNCH);
	m.u.launch = *launch;
	msg_send(monitor_fd, &m);
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
ask_log_failure(int priority, const char *text)
{
	struct msg_log log = { .event = priority <= LOG_CRIT ? EVENT_BUG : EVENT_ERROR };

	snprintf(log.text, sizeof(log.text), "%s", text);
	ask_log(&log);
}
