/*
 * Messages to the listener, see accounting.h. Run by the monitor, as root; trusts the listener,
 * which answers at once. If the listener has exited, the service has ended.
 */

#include "monitor/accounting.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/openssl.h"

static int listener = -1;
static uint8_t failures[MSG_KEY_SIZE], accounts[MSG_KEY_SIZE];

void
accounting_init(int fd, const uint8_t failure_key[MSG_KEY_SIZE], const uint8_t account_key[MSG_KEY_SIZE])
{
	listener = fd;
	memcpy(failures, failure_key, sizeof(failures));
	memcpy(accounts, account_key, sizeof(accounts));
}

bool
accounting_has_listener(void)
{
	return listener != -1;
}

static void
forget_listener(void)
{
	close(listener);
	listener = -1;
	explicit_bzero(failures, sizeof(failures));
	explicit_bzero(accounts, sizeof(accounts));
}

static bool
ask_listener(struct msg *m)
{
	enum msg_type answer = (enum msg_type)(m->type + 1);

	if (msg_send(listener, m) == -1 || msg_recv(listener, m) == 0)
		return false;
	if (m->type != answer)
		bug("listener sent message type %u instead of %u", m->type, answer);
	return true;
}

/*
 * Returns a keyed hash of a user, or of a user and a password. 64 bits make accidental matches
 * improbable.
 */
static uint64_t
keyed_hash(const uint8_t key[MSG_KEY_SIZE], const char *user, const char *secret)
{
	char text[MSG_NAME_MAX + MSG_SECRET_MAX];
	size_t users = strnlen(user, MSG_NAME_MAX - 1), secrets = strnlen(secret, MSG_SECRET_MAX - 1);
	unsigned char mac[EVP_MAX_MD_SIZE];
	uint64_t number;

	openssl_begin();
	memcpy(text, user, users);
	text[users] = '\0';
	memcpy(text + users + 1, secret, secrets);
	if (HMAC(EVP_sha256(), key, MSG_KEY_SIZE, (unsigned char *)text, users + 1 + secrets, mac, NULL) == NULL)
		die("HMAC");
	explicit_bzero(text, sizeof(text));
	memcpy(&number, mac, sizeof(number));
	return number;
}

void
accounting_warm_up(void)
{
	static const uint8_t key[MSG_KEY_SIZE];

	keyed_hash(key, "", "");
}

unsigned
accounting_failed(const struct msg_login *login, int64_t began)
{
	struct msg m;

	if (listener == -1)
		return 0;
	msg_begin(&m, MSG_FAILED);
	m.u.failed.user = keyed_hash(failures, login->authcid, "");
	m.u.failed.attempt = keyed_hash(failures, login->authcid, login->secret);
	m.u.failed.when = began;
	m.u.failed.dropped = log_take_dropped();
	return ask_listener(&m) ? m.u.failed_answer.failures : 0;
}

enum msg_limit
accounting_logged_in(const char *user, const char *account)
{
	struct msg m;

	if (listener == -1)
		return LIMIT_NONE;
	msg_begin(&m, MSG_LOGGED_IN);
	m.u.logged_in.user = keyed_hash(failures, user, "");
	m.u.logged_in.account = keyed_hash(accounts, account, "");
	m.u.logged_in.dropped = log_take_dropped();
	msg_text(m.u.logged_in.name, sizeof(m.u.logged_in.name), account, strlen(account));
	return ask_listener(&m) ? (enum msg_limit)m.u.logged_in_answer.limit : LIMIT_SHUTDOWN;
}

int
accounting_wait_for_gate(void)
{
	struct msg m;

	msg_begin(&m, MSG_GATE_END);
	return ask_listener(&m) ? m.u.gate_end_answer.status : EX_OSERR << 8;
}

void
accounting_launched(enum msg_transport transport)
{
	struct msg m;

	if (listener == -1)
		return;
	msg_begin(&m, MSG_LAUNCHED);
	m.u.launched.transport = transport;
	m.u.launched.dropped = log_take_dropped();
	msg_send(listener, &m);
	forget_listener();
}

void
accounting_peer_unknown(void)
{
	struct msg m;

	msg_begin(&m, MSG_PEER_UNKNOWN);
	msg_send(listener, &m);
	accounting_end();
}

void
accounting_end(void)
{
	struct msg m;

	if (listener == -1)
		return;
	msg_begin(&m, MSG_DROPPED);
	m.u.dropped.dropped = log_take_dropped();
	if (m.u.dropped.dropped > 0)
		msg_send(listener, &m);
	forget_listener();
}
