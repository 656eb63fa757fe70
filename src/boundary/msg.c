/*
 * The transport of messages, see msg.h. Run by the sender and the receiver, as root and in the
 * sandbox; neither trusts the other, so both run the same checks.
 */

#include "boundary/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/again.h"
#include "base/log.h"

#define SIZE(member)	(sizeof(((struct msg *)NULL)->u.member))
#define TEXT(member)	{ offsetof(struct msg, u.member), SIZE(member) }

/*
 * Returns whether recvmsg(2) shall be called again: after a signal, or if the sender has exited
 * without reading all its input. That is one error, before the messages that it has sent.
 */
static bool
is_retried(ssize_t received, unsigned *tries)
{
	return received == -1 && (errno == EINTR || errno == ECONNRESET) && again(tries);
}

/* Message types: exact size of the body, number of descriptors, texts that must end in NUL. */
static const struct type {
	bool	exists;
	size_t	size;
	int	fds;
	struct text_field {
		size_t	offset, size;
	} texts[4];
} types[MSG_TYPES] = {
	[MSG_LOGIN] = { true, SIZE(login), 0, { TEXT(login.authcid), TEXT(login.authzid), TEXT(login.secret) } },
	[MSG_LOGIN_ANSWER] = { true, SIZE(login_answer), 0, { TEXT(login_answer.text) } },
	[MSG_LAUNCH] = { true, SIZE(launch), 0,
	    { TEXT(launch.tag), TEXT(launch.tls.protocol), TEXT(launch.tls.cipher), TEXT(launch.tls.sni) } },
	[MSG_LAUNCH_ANSWER] = { true, 0, 1, { { 0, 0 } } },
	[MSG_LOG] = { true, SIZE(log), 0, { TEXT(log.text), TEXT(log.tls.protocol), TEXT(log.tls.cipher), TEXT(log.tls.sni) } },
	[MSG_PROXIED] = { true, SIZE(proxied), 0, { TEXT(proxied.tls_protocol), TEXT(proxied.tls_cipher) } },
	[MSG_PROXIED_ANSWER] = { true, SIZE(proxied_answer), 0, { { 0, 0 } } },
	[MSG_PROGRAM_OUTPUT] = { true, SIZE(program_output), 0, { { 0, 0 } } },
	[MSG_KEY] = { true, SIZE(key), 0, { { 0, 0 } } },
	[MSG_KEY_ANSWER] = { true, SIZE(key_answer), 0, { TEXT(key_answer.reason) } },
	[MSG_SIGN] = { true, SIZE(sign), 0, { { 0, 0 } } },
	[MSG_SIGN_ANSWER] = { true, SIZE(sign_answer), 0, { { 0, 0 } } },
	[MSG_PAIR] = { true, SIZE(pair), 1, { { 0, 0 } } },
	[MSG_SIGN_REPORT] = { true, SIZE(sign_report), 0, { TEXT(sign_report.reason) } },
	[MSG_READY] = { true, SIZE(ready), 0, { TEXT(ready.file), TEXT(ready.reason) } },
	[MSG_SPAWN_GATE] = { true, SIZE(spawn_gate), 2, { { 0, 0 } } },
	[MSG_SPAWN_MONITOR] = { true, SIZE(spawn_monitor), 3, { { 0, 0 } } },
	[MSG_SPAWN_PEER] = { true, SIZE(spawn_monitor), 2, { { 0, 0 } } },
	[MSG_SPAWNED] = { true, SIZE(spawned), 0, { { 0, 0 } } },
	[MSG_FAILED] = { true, SIZE(failed), 0, { { 0, 0 } } },
	[MSG_FAILED_ANSWER] = { true, SIZE(failed_answer), 0, { { 0, 0 } } },
	[MSG_LOGGED_IN] = { true, SIZE(logged_in), 0, { TEXT(logged_in.name) } },
	[MSG_LOGGED_IN_ANSWER] = { true, SIZE(logged_in_answer), 0, { { 0, 0 } } },
	[MSG_GATE_END] = { true, 0, 0, { { 0, 0 } } },
	[MSG_GATE_END_ANSWER] = { true, SIZE(gate_end_answer), 0, { { 0, 0 } } },
	[MSG_LAUNCHED] = { true, SIZE(launched), 0, { { 0, 0 } } },
	[MSG_PEER_UNKNOWN] = { true, 0, 0, { { 0, 0 } } },
	[MSG_DROPPED] = { true, SIZE(dropped), 0, { { 0, 0 } } },
};

/* Without padding between, a message is its header and the body of its type, nothing else. */
#define BODY	offsetof(struct msg, u)
_Static_assert(BODY == 2 * sizeof(uint32_t), "no hole between type and body");

static const struct type *
find_type(uint32_t type)
{
	return type < MSG_TYPES && types[type].exists ? &types[type] : NULL;
}

static size_t
size_of(uint32_t type)
{
	const struct type *t = find_type(type);

	if (t == NULL)
		bug("message of unknown type %u", type);
	return BODY + t->size;
}

const char *
msg_limit_name(enum msg_limit limit)
{
	static const char *const names[] = {
		[LIMIT_NONE] = "none",
		[LIMIT_MAX_CONNECTIONS] = "max-connections",
		[LIMIT_MAX_CONNECTIONS_PER_ADDRESS] = "max-connections-per-address",
		[LIMIT_MAX_SESSIONS] = "max-sessions",
		[LIMIT_MAX_SESSIONS_PER_ADDRESS] = "max-sessions-per-address",
		[LIMIT_MAX_SESSIONS_PER_USER] = "max-sessions-per-user",
		[LIMIT_SHUTDOWN] = "shutdown",
	};

	return (size_t)limit < sizeof(names) / sizeof(names[0]) ? names[limit] : "unknown";
}

void
msg_begin(struct msg *m, enum msg_type type)
{
	memset(m, 0, size_of(type));
	m->type = type;
}

void
msg_wipe(struct msg *m)
{
	explicit_bzero(m, size_of(m->type));
}

int
msg_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

/* Room for the descriptors of one message (cmsg(3)). */
union control {
	struct cmsghdr	header;
	char		room[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
};

int
msg_send_fds(int fd, const struct msg *m, const int *fds, bool wait)
{
	size_t size = size_of(m->type), fds_size = sizeof(int) * (size_t)types[m->type].fds;
	union control control = { .header = { .cmsg_len = CMSG_LEN(fds_size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)m, size };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned tries = 0;
	ssize_t n;

	if (fds_size > 0) {
		memcpy(CMSG_DATA(&control.header), fds, fds_size);
		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE(fds_size);
	}
	do
		n = sendmsg(fd, &hdr, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	while (n == -1 && errno == EINTR && again(&tries));
	return n == (ssize_t)size ? 0 : -1;
}

int
msg_send(int fd, const struct msg *m)
{
	return msg_send_fds(fd, m, NULL, true);
}

/*
 * Takes the descriptors out of a received message. Returns their number; surplus ones are closed.
 */
static int
take_fds(const struct msghdr *hdr, int fds[MSG_FDS_MAX])
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);
	size_t i, n = 0;
	int fd;

	for (i = 0; i < MSG_FDS_MAX; i++)
		fds[i] = -1;
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
		if (i < MSG_FDS_MAX)
			fds[i] = fd;
		else
			close(fd);
	}
	return (int)n;
}

void
msg_close_fds(int fds[MSG_FDS_MAX])
{
	for (int i = 0; i < MSG_FDS_MAX; i++) {
		if (fds[i] != -1)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Returns an error text for a malformed message of n octets, NULL for a good one. */
static const char *
message_error(const struct msg *m, ssize_t n, int fds, int flags)
{
	const struct text_field *field;
	const struct type *t;

	if ((flags & MSG_TRUNC) != 0 || (size_t)n < sizeof(m->type))
		return "message too long or too short";
	t = find_type(m->type);
	if (t == NULL)
		return "message of unknown type";
	/* The kernel drops descriptors for which there is no room, and sets MSG_CTRUNC. */
	if (fds != t->fds || (flags & MSG_CTRUNC) != 0)
		return "message has an unexpected number of descriptors";
	if ((size_t)n != BODY + t->size)
		return "message has an unexpected size";
	for (field = t->texts; field < t->texts + 4 && field->size > 0; field++)
		if (memchr((const char *)m + field->offset, '\0', field->size) == NULL)
			return "message has an unterminated text";
	return NULL;
}

/*
 * Receives and checks a message. Returns 1; 0 at the end of file, or with errno; -1 and sets error
 * if the message is malformed.
 */
static int
receive_message(int fd, struct msg *m, int fds[MSG_FDS_MAX], bool wait, const char **error)
{
	union control control;
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room) };
	unsigned tries = 0;
	ssize_t n;

	do
		n = recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (is_retried(n, &tries));
	if (n == 0) {
		/*
		 * An empty message looks like the end of file; its descriptors must not stay
		 * open.
		 */
		take_fds(&hdr, fds);
		msg_close_fds(fds);
		errno = 0;
	}
	if (n <= 0)
		return 0;
	*error = message_error(m, n, take_fds(&hdr, fds), hdr.msg_flags);
	if (*error == NULL)
		return 1;
	msg_close_fds(fds);
	return -1;
}

int
msg_recv_now(int fd, struct msg *m, int fds[MSG_FDS_MAX], const char **error)
{
	return receive_message(fd, m, fds, false, error);
}

int
msg_recv_fds(int fd, struct msg *m, int fds[MSG_FDS_MAX])
{
	const char *error;
	int received = receive_message(fd, m, fds, true, &error);

	if (received == -1)
		bug("%s", error);
	return received;
}

int
msg_recv(int fd, struct msg *m)
{
	int fds[MSG_FDS_MAX], received = msg_recv_fds(fd, m, fds);

	if (received == 1 && types[m->type].fds > 0) {
		msg_close_fds(fds);
		bug("message has unexpected descriptors");
	}
	return received;
}

int
msg_peek_type(int fd, uint32_t *type)
{
	unsigned tries = 0;
	ssize_t n;

	do
		n = recv(fd, type, sizeof(*type), MSG_PEEK | MSG_DONTWAIT);
	while (is_retried(n, &tries));
	if (n == 0)
		errno = 0;
	/* A message without a whole type. */
	if (n > 0 && n < (ssize_t)sizeof(*type))
		*type = 0;
	return n > 0;
}

int
msg_text(char *dst, size_t size, const char *text, size_t len)
{
	if (len >= size || memchr(text, '\0', len) != NULL)
		return -1;
	memset(dst, 0, size);
	memcpy(dst, text, len);
	return 0;
}
