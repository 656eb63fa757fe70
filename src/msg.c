/*
 * The messages' way over the pair, see msg.h. Run by both sides; neither
 * trusts the other, so this is the same code with the same checks.
 */

#include "msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "again.h"
#include "log.h"

#define SIZE(member)	(sizeof(((struct msg *)NULL)->u.member))

/* Exactly so long is a message of this type; 0: there is no such type. */
static const size_t sizes[] = {
	[MSG_LOGIN] = SIZE(login),
	[MSG_LOGIN_ANSWER] = SIZE(login_answer),
	[MSG_KEY] = SIZE(key),
	[MSG_KEY_ANSWER] = SIZE(key_answer),
	[MSG_SIGN] = SIZE(sign),
	[MSG_SIGN_ANSWER] = SIZE(sign_answer),
	[MSG_LAUNCH] = SIZE(launch),
	[MSG_LOG] = SIZE(log),
};

_Static_assert(offsetof(struct msg, u) == sizeof(uint32_t), "no hole between type and body");

#define TEXT(member)	{ offsetof(struct msg, u.member), sizeof(((struct msg *)NULL)->u.member) }

/* Where text is, in each type: it has to end within its array. */
static const struct text_field {
	size_t	offset, size;
} texts[][5] = {
	[MSG_LOGIN] = { TEXT(login.authcid), TEXT(login.authzid), TEXT(login.secret) },
	[MSG_LOGIN_ANSWER] = { TEXT(login_answer.text) },
	[MSG_KEY_ANSWER] = { TEXT(key_answer.reason) },
	[MSG_SIGN_ANSWER] = { TEXT(sign_answer.reason) },
	[MSG_LAUNCH] = { TEXT(launch.tag), TEXT(launch.tls.protocol), TEXT(launch.tls.cipher), TEXT(launch.tls.sni) },
	[MSG_LOG] = { TEXT(log.text), TEXT(log.tls.protocol), TEXT(log.tls.cipher), TEXT(log.tls.sni) },
};

static size_t
size_of(uint32_t type)
{
	if (type >= sizeof(sizes) / sizeof(sizes[0]) || sizes[type] == 0)
		bug("message of unknown type %u", type);
	return offsetof(struct msg, u) + sizes[type];
}

static void
check_texts(const struct msg *m)
{
	const struct text_field *field;

	if (m->type >= sizeof(texts) / sizeof(texts[0]))
		return;
	for (field = texts[m->type]; field < texts[m->type] + 5 && field->size > 0; field++)
		if (memchr((const char *)m + field->offset, '\0', field->size) == NULL)
			bug("message of type %u: text without end", m->type);
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

int
msg_send(int fd, const struct msg *m)
{
	size_t size = size_of(m->type);
	unsigned tries = 0;
	ssize_t n;

	do
		n = send(fd, m, size, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR && again(&tries));
	return n == (ssize_t)size ? 0 : -1;
}

/* Receives and checks a message. Returns 1, or 0 at the end. */
static int
receive(int fd, struct msghdr *hdr, const struct msg *m)
{
	unsigned tries = 0;
	ssize_t n;

	do
		n = recvmsg(fd, hdr, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR && again(&tries));
	if (n <= 0)
		return 0;
	/* Without room for them the kernel drops passed descriptors, and says so. */
	if ((hdr->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || (size_t)n < sizeof(m->type))
		bug("message too long, too short or with a descriptor");
	if ((size_t)n != size_of(m->type))
		bug("message of type %u has %zd octets", m->type, n);
	check_texts(m);
	return 1;
}

int
msg_recv(int fd, struct msg *m)
{
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	return receive(fd, &hdr, m);
}

int
msg_call(int service, struct msg *m)
{
	union {
		struct cmsghdr	header;
		char		room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { m, size_of(m->type) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room) };
	int pair[2], answered = 0;
	unsigned tries = 0;
	ssize_t n;

	if (msg_pair(pair) == -1)
		return 0;
	memcpy(CMSG_DATA(&control.header), &pair[1], sizeof(int));
	do
		n = sendmsg(service, &hdr, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR && again(&tries));
	close(pair[1]);
	if (n == (ssize_t)iov.iov_len)
		answered = msg_recv(pair[0], m);
	close(pair[0]);
	return answered;
}

int
msg_called(int service, struct msg *m)
{
	union {
		struct cmsghdr	header;
		char		room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room) };
	const struct cmsghdr *cmsg;
	int fd;

	if (!receive(service, &hdr, m))
		return -1;
	cmsg = CMSG_FIRSTHDR(&hdr);
	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		bug("a question without a way for its answer");
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
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
