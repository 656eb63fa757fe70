/*
 * Processes that were taken over: this is the whole program, but its gates
 * and monitors do what their client says. It is linked with --wrap for the
 * functions that are replaced here.
 *
 * A hostile gate reads one line from its client, a script, and obeys it. With
 * a superserver each gate is hostile; under a listener those are whose client
 * comes from 127.0.0.66. A hostile monitor, for clients from 127.0.0.67, takes
 * its script from the password of the first login.
 *
 * A script is words with one space between them:
 *
 *   login, sign ...	begins a message of that type (types, below)
 *   login.authcid=joe	fills a field; %20 is the octet 0x20
 *   login.authcid~	fills a text to its last octet, without NUL
 *   size+1 size-1 size=0	sends more or less of the message
 *   type=99		makes it of another type
 *   fd=2		has so many descriptors come with it
 *   to=signer		goes to the signer from here on; to=monitor back again
 *   send flood		sends the message, once or until nobody takes it
 *   hear hear=3 hear=ok hear=end	waits for an answer: any, of that type, a login that succeeded, none
 *   say=text		writes that to the client
 *   certificate	has a monitor of a superserver look at the key, as a gate does at its beginning
 *   wait exit=1 kill again	the end, but for the last: the script from its beginning
 *
 * What is heard against the script is said to the client: "wrong: ...".
 */

#include <sys/socket.h>

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boundary/msg.h"
#include "gate/gate.h"
#include "monitor/accounting.h"
#include "monitor/monitor.h"
#include "tls/publickey.h"

#define HOSTILE_GATE	"127.0.0.66"
#define HOSTILE_MONITOR	"127.0.0.67"
#define TLS13_ECDSA_SHA256	0x0403

/* Descriptors are moved there: below, a gate has none but its own. */
#define HIGH	40

/* The linker's names for what is replaced, and for what replaces it. */
void	__real_gate_run(const struct gate_start *) __attribute__((noreturn));
void	__wrap_gate_run(const struct gate_start *) __attribute__((noreturn));
void	__real_monitor_run(const struct monitor_start *) __attribute__((noreturn));
void	__wrap_monitor_run(const struct monitor_start *) __attribute__((noreturn));
void	__real_accounting_init(int fd, const uint8_t *failure_key, const uint8_t *account_key);
void	__wrap_accounting_init(int fd, const uint8_t *failure_key, const uint8_t *account_key);

static bool under_listener;
static int account = -1;	/* a monitor's end of its pair with the listener */
static const struct options *opts;

static struct hostile {
	int		monitor, signer, to;
	struct msg	m, heard;
	size_t		size;
	int		fds;
} h = { .monitor = -1, .signer = -1 };

#define BODY	offsetof(struct msg, u)
#define TYPE(name, number, member) { name, number, BODY + sizeof(((struct msg *)NULL)->u.member) }

static const struct type {
	const char	*name;
	enum msg_type	 type;
	size_t		 size;
} types[] = {
	TYPE("login", MSG_LOGIN, login),
	TYPE("login_answer", MSG_LOGIN_ANSWER, login_answer),
	TYPE("launch", MSG_LAUNCH, launch),
	{ "launch_answer", MSG_LAUNCH_ANSWER, BODY },
	TYPE("log", MSG_LOG, log),
	TYPE("proxied", MSG_PROXIED, proxied),
	TYPE("proxied_answer", MSG_PROXIED_ANSWER, proxied_answer),
	TYPE("program_output", MSG_PROGRAM_OUTPUT, program_output),
	TYPE("key", MSG_KEY, key),
	TYPE("key_answer", MSG_KEY_ANSWER, key_answer),
	TYPE("sign", MSG_SIGN, sign),
	TYPE("sign_answer", MSG_SIGN_ANSWER, sign_answer),
	TYPE("pair", MSG_PAIR, pair),
	TYPE("sign_report", MSG_SIGN_REPORT, sign_report),
	TYPE("ready", MSG_READY, ready),
	TYPE("spawn_gate", MSG_SPAWN_GATE, spawn_gate),
	TYPE("spawn_monitor", MSG_SPAWN_MONITOR, spawn_monitor),
	TYPE("spawned", MSG_SPAWNED, spawned),
	TYPE("failed", MSG_FAILED, failed),
	TYPE("failed_answer", MSG_FAILED_ANSWER, failed_answer),
	TYPE("logged_in", MSG_LOGGED_IN, logged_in),
	TYPE("logged_in_answer", MSG_LOGGED_IN_ANSWER, logged_in_answer),
	{ "gate_end", MSG_GATE_END, BODY },
	TYPE("gate_end_answer", MSG_GATE_END_ANSWER, gate_end_answer),
	TYPE("launched", MSG_LAUNCHED, launched),
	{ "peer_unknown", MSG_PEER_UNKNOWN, BODY },
	TYPE("dropped", MSG_DROPPED, dropped),
};
#define TYPES	(sizeof(types) / sizeof(types[0]))

#define FIELD(member, text) { #member, offsetof(struct msg, u.member), sizeof(((struct msg *)NULL)->u.member), text }

static const struct field {
	const char	*name;
	size_t		 offset, size;
	bool		 text;
} fields[] = {
	FIELD(login.mechanism, false),
	FIELD(login.authcid, true),
	FIELD(login.authzid, true),
	FIELD(login.secret, true),
	FIELD(launch.transport, false),
	FIELD(launch.tag, true),
	FIELD(launch.tls.protocol, true),
	FIELD(launch.tls.cipher, true),
	FIELD(log.event, false),
	FIELD(log.reason, false),
	FIELD(log.mechanism, false),
	FIELD(log.text, true),
	FIELD(log.tls.protocol, true),
	FIELD(log.tls.cipher, true),
	FIELD(proxied.client, false),
	FIELD(proxied.tls, false),
	FIELD(proxied.tls_protocol, true),
	FIELD(proxied.tls_cipher, true),
	FIELD(program_output.output, false),
	FIELD(key.index, false),
	FIELD(sign.index, false),
	FIELD(sign.scheme, false),
	FIELD(sign.len, false),
	FIELD(sign.tbs, true),
	FIELD(logged_in.name, true),
	FIELD(launched.transport, false),
	FIELD(dropped.dropped, false),
};
#define FIELDS	(sizeof(fields) / sizeof(fields[0]))

static void
say(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
	(void)!write(STDOUT_FILENO, "\r\n", 2);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
wrong(const char *fmt, ...)
{
	char text[256] = "wrong: ";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + strlen(text), sizeof(text) - strlen(text), fmt, ap);
	va_end(ap);
	say(text);
	_exit(0);
}

/* Messages. */

/* The part of a TLS 1.3 handshake that a server signs (RFC 8446, 4.4.3). */
static void
fill_sign(struct msg_sign *sign)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";

	sign->scheme = TLS13_ECDSA_SHA256;
	sign->len = 64 + sizeof(context) + 32;
	memset(sign->tbs, ' ', 64);
	memcpy(sign->tbs + 64, context, sizeof(context));
}

/* Begins a message that is good where an honest one would send it. */
static void
begin(const struct type *type)
{
	msg_begin(&h.m, type->type);
	h.size = type->size;
	h.fds = 0;
	if (type->type == MSG_LOGIN) {
		h.m.u.login.mechanism = MECH_LOGIN_COMMAND;
		strcpy(h.m.u.login.authcid, "joe");
		strcpy(h.m.u.login.secret, "sesame");
	} else if (type->type == MSG_LAUNCH) {
		h.m.u.launch.transport = TRANSPORT_SOCKET;
		strcpy(h.m.u.launch.tag, "a");
	} else if (type->type == MSG_SIGN)
		fill_sign(&h.m.u.sign);
}

static bool
begin_named(const char *name)
{
	size_t i;

	for (i = 0; i < TYPES; i++)
		if (strcmp(name, types[i].name) == 0) {
			begin(&types[i]);
			return true;
		}
	return false;
}

/* The first keys that the monitor of a superserver signs with are those of which it was shown the certificate. */
static void
show_certificate(void)
{
	FILE *f = fopen(opts->cert[0], "r");
	X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);

	begin_named("key");
	if (cert == NULL || !publickey_digest(X509_get0_pubkey(cert), h.m.u.key.key_digest))
		wrong("no certificate");
	msg_send(h.to, &h.m);
	if (msg_recv(h.to, &h.heard) == 0 || h.heard.u.key_answer.held == 0)
		wrong("the key was refused");
}

static char
octet(const char **at)
{
	char hex[3] = "";

	if (**at != '%')
		return *(*at)++;
	memcpy(hex, *at + 1, 2);
	*at += 3;
	return (char)strtoul(hex, NULL, 16);
}

static void
fill(const struct field *f, const char *value)
{
	char *to = (char *)&h.m + f->offset;
	uint32_t number = (uint32_t)strtoul(value, NULL, 0);
	size_t i;

	if (!f->text) {
		memcpy(to, &number, sizeof(number));
		return;
	}
	memset(to, 0, f->size);
	for (i = 0; *value != '\0' && i < f->size; i++)
		to[i] = octet(&value);
}

/* FIELD=VALUE or FIELD~. */
static bool
fill_named(const char *word)
{
	size_t i, len = strcspn(word, "=~");

	for (i = 0; i < FIELDS; i++) {
		if (strlen(fields[i].name) != len || strncmp(word, fields[i].name, len) != 0)
			continue;
		if (word[len] == '~')
			memset((char *)&h.m + fields[i].offset, 'a', fields[i].size);
		else
			fill(&fields[i], word + len + 1);
		return true;
	}
	return false;
}

/* Sends the message as it stands, whatever its type wants. False if nobody takes it. */
static bool
send_raw(void)
{
	static char octets[256 << 10];
	struct iovec iov = { octets, h.size };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} control = { .header = { CMSG_LEN(sizeof(int) * (size_t)h.fds), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	int i;

	memcpy(octets, &h.m, h.size < sizeof(h.m) ? h.size : sizeof(h.m));
	for (i = 0; i < h.fds; i++)
		memcpy(CMSG_DATA(&control.header) + sizeof(int) * (size_t)i, &(int){ STDERR_FILENO }, sizeof(int));
	if (h.fds > 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)h.fds);
	}
	return sendmsg(h.to, &hdr, MSG_NOSIGNAL) != -1;
}

/* Words. */

static void
do_type(const char *value)
{
	h.m.type = (uint32_t)strtoul(value, NULL, 0);
}

static void
do_size(const char *value)
{
	h.size = (size_t)strtoul(value, NULL, 0);
}

static void
do_longer(const char *value)
{
	h.size += (size_t)atoi(value);
}

static void
do_shorter(const char *value)
{
	h.size -= (size_t)atoi(value);
}

static void
do_fd(const char *value)
{
	h.fds = atoi(value);
}

static void
do_to(const char *value)
{
	h.to = strcmp(value, "signer") == 0 ? h.signer : h.monitor;
}

static void
do_send(const char *value)
{
	(void)value;
	send_raw();
}

static void
do_flood(const char *value)
{
	(void)value;
	while (send_raw())
		;
	_exit(0);
}

/* The next answer; without a value this process ends where the other has. */
static void
do_hear(const char *value)
{
	ssize_t n = recv(h.to, &h.heard, sizeof(h.heard), 0);

	/* The other process has closed its end with something unread; an answer is behind that error. */
	if (n == -1 && errno == ECONNRESET)
		n = recv(h.to, &h.heard, sizeof(h.heard), 0);
	if (strcmp(value, "end") == 0) {
		if (n > 0)
			wrong("heard %u instead of the end", h.heard.type);
		return;
	}
	if (n <= 0 && value[0] == '\0')
		_exit(0);
	if (n <= 0)
		wrong("heard the end instead of %s", value);
	if (strcmp(value, "ok") == 0 ? h.heard.u.login_answer.outcome != OUTCOME_OK
				     : value[0] != '\0' && h.heard.type != (uint32_t)atoi(value))
		wrong("heard %u instead of %s", h.heard.type, value);
}

static void
do_wait(const char *value)
{
	(void)value;
	for (;;)
		poll(NULL, 0, -1);
}

static void
do_exit(const char *value)
{
	_exit(atoi(value));
}

static void
do_kill(const char *value)
{
	(void)value;
	raise(SIGKILL);
}

static void
do_certificate(const char *value)
{
	(void)value;
	show_certificate();
}

static const struct word {
	const char	*name;
	void		(*act)(const char *value);
} words[] = {
	{ "type=", do_type },
	{ "size=", do_size },
	{ "size+", do_longer },
	{ "size-", do_shorter },
	{ "fd=", do_fd },
	{ "to=", do_to },
	{ "send", do_send },
	{ "flood", do_flood },
	{ "hear=", do_hear },
	{ "hear", do_hear },
	{ "say=", say },
	{ "wait", do_wait },
	{ "exit=", do_exit },
	{ "kill", do_kill },
	{ "certificate", do_certificate },
};

static void
obey_word(const char *word)
{
	size_t i, len;

	if (begin_named(word) || fill_named(word))
		return;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		len = strlen(words[i].name);
		if (strncmp(word, words[i].name, len) == 0 &&
		    (strchr("=+-", words[i].name[len - 1]) != NULL || word[len] == '\0')) {
			words[i].act(word + len);
			return;
		}
	}
	wrong("what is \"%s\"?", word);
}

static void __attribute__((noreturn))
obey(char *script)
{
	char *at, *end, *word;
	bool again;

	do {
		again = false;
		for (at = word = script; at != NULL; at = end == NULL ? NULL : end + 1) {
			end = strchr(at, ' ');
			word = strndup(at, end == NULL ? strlen(at) : (size_t)(end - at));
			again = strcmp(word, "again") == 0;
			if (word[0] != '\0' && !again)
				obey_word(word);
			free(word);
		}
	} while (again);
	_exit(0);
}

/* The processes. */

/* As glibc calls it; roles are known by their names (role.h). */
static void __attribute__((constructor))
look_at_name(int argc, char *argv[])
{
	under_listener = argc > 0 && strncmp(argv[0], "imapgate-", strlen("imapgate-")) == 0;
}

static void
read_script(char *script, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(STDIN_FILENO, script + n, 1) == 1 && script[n] != '\n')
		n++;
	script[n] = '\0';
}

void
__wrap_gate_run(const struct gate_start *start)
{
	static char script[4096];
	int fd;

	if (under_listener && strcmp(start->peer->ip, HOSTILE_GATE) != 0)
		__real_gate_run(start);
	opts = start->opts;
	h.to = h.monitor = dup2(start->monitor, HIGH);
	h.signer = start->sign == -1 ? -1 : dup2(start->sign, HIGH + 1);
	for (fd = STDERR_FILENO + 1; fd < HIGH; fd++)
		close(fd);
	read_script(script, sizeof(script));
	obey(script);
}

void
__wrap_accounting_init(int fd, const uint8_t *failure_key, const uint8_t *account_key)
{
	account = fd;
	__real_accounting_init(fd, failure_key, account_key);
}

void
__wrap_monitor_run(const struct monitor_start *start)
{
	static struct msg login;

	if (account == -1 || strcmp(start->peer->ip, HOSTILE_MONITOR) != 0)
		__real_monitor_run(start);
	h.to = account;
	if (msg_recv(start->gate_fd, &login) != 1)
		_exit(0);
	obey(login.u.login.secret);
}
