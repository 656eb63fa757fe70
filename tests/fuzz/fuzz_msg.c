/*
 * The transport between gate and monitor (msg.h): any octets as one message,
 * to both ways of receiving. The first octet of an input is a set of bits,
 * the second a type, the third how much longer than its type's the message
 * is (128: as long), the fourth the octet that it is filled with; the rest
 * of the input lies over its beginning or its end. A message that is taken has a known
 * type, just its size, and texts that end; it arrives unchanged when it is
 * sent on. Everything else must be a bug(), which does not end the process here.
 */

#include "fuzz.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "boundary/msg.h"

enum {
	RAW = 1,		/* the octets are the message */
	WITH_DESCRIPTOR = 2,
	CALLED = 4,		/* as a question that brings the way of its answer */
	AT_THE_END = 8,		/* the octets stand at the end of the message */
};

static const size_t sizes[] = {
	[MSG_LOGIN] = sizeof(struct msg_login),
	[MSG_LOGIN_ANSWER] = sizeof(struct msg_login_answer),
	[MSG_KEY] = sizeof(struct msg_key),
	[MSG_KEY_ANSWER] = sizeof(struct msg_key_answer),
	[MSG_SIGN] = sizeof(struct msg_sign),
	[MSG_SIGN_ANSWER] = sizeof(struct msg_sign_answer),
	[MSG_LAUNCH] = sizeof(struct msg_launch),
	[MSG_LOG] = sizeof(struct msg_log),
};
#define TYPES	(sizeof(sizes) / sizeof(sizes[0]))

static int		pair[2] = { -1, -1 }, passed = -1, returned;
static jmp_buf		refused;
static uint8_t		octets[2 * sizeof(struct msg)];
static size_t		octets_len;

void
bug(const char *fmt, ...)
{
	(void)fmt;
	longjmp(refused, 1);
}

static void
make_message(const uint8_t *data, size_t size)
{
	uint32_t type = data[1] % 16;
	long len;

	data += 4;
	size -= 4;
	if ((data[-4] & RAW) != 0) {
		octets_len = size < sizeof(octets) ? size : sizeof(octets);
		memcpy(octets, data, octets_len);
		return;
	}
	len = (long)(sizeof(type) + (type < TYPES ? sizes[type] : 0)) + data[-2] - 128;
	octets_len = len < 0 ? 0 : (size_t)len;
	memset(octets, data[-1], octets_len);
	if (octets_len >= sizeof(type))
		memcpy(octets, &type, sizeof(type));
	if (octets_len < sizeof(type) + size)
		return;
	memcpy((data[-4] & AT_THE_END) != 0 ? octets + octets_len - size : octets + sizeof(type), data, size);
}

static void
send_message(bool with_descriptor)
{
	union {
		struct cmsghdr	header;
		char		room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { octets, octets_len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (with_descriptor) {
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control.room);
	}
	MUST(sendmsg(pair[1], &hdr, MSG_NOSIGNAL) == (ssize_t)octets_len);
}

static bool
ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* What was taken, by the rules of msg.h. */
static void
check(const struct msg *m, uint8_t bits)
{
	static struct msg again, empty;

	msg_begin(&empty, (enum msg_type)m->type);
	MUST(empty.type == m->type && ends((const char *)&empty + octets_len - 1, 1));
	MUST(octets_len == sizeof(m->type) + (m->type < TYPES ? sizes[m->type] : 0) && octets_len > sizeof(m->type));
	MUST(((bits & WITH_DESCRIPTOR) != 0) == ((bits & CALLED) != 0));
	MUST(memcmp(m, octets, octets_len) == 0);
	if (m->type == MSG_LOGIN)
		MUST(ends(m->u.login.authcid, MSG_NAME_MAX) && ends(m->u.login.authzid, MSG_NAME_MAX) &&
		    ends(m->u.login.secret, MSG_SECRET_MAX));
	if (m->type == MSG_LOG)
		MUST(ends(m->u.log.text, sizeof(m->u.log.text)));
	MUST(msg_send(pair[1], m) == 0);
	MUST(msg_recv(pair[0], &again) == 1 && memcmp(&again, octets, octets_len) == 0);
	msg_wipe(&again);
	MUST(!ends((const char *)&again, 1) || ends((const char *)&again + octets_len - 1, 1));
}

static void
check_text(const char *text, size_t len, size_t room)
{
	char *to = malloc(room);

	MUST(to != NULL);
	if (msg_text(to, room, text, len) == 0)
		MUST(len < room && strnlen(to, room) == len && memcmp(to, text, len) == 0);
	else
		MUST(len >= room || memchr(text, '\0', len) != NULL);
	free(to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct msg m;

	if (size < 4 || size > sizeof(struct msg))
		return 0;
	if (pair[0] == -1) {
		MUST(msg_pair(pair) == 0);
		passed = dup(pair[1]);
	}
	check_text((const char *)data, size, data[2] + 1u);
	make_message(data, size);
	/* An empty packet can't be told from the end. */
	if (octets_len == 0)
		return 0;
	send_message((data[0] & WITH_DESCRIPTOR) != 0);
	if (setjmp(refused) == 0) {
		returned = (data[0] & CALLED) != 0 ? msg_called(pair[0], &m) : msg_recv(pair[0], &m);
		MUST((data[0] & CALLED) != 0 ? returned > passed : returned == 1);
		check(&m, data[0]);
	}
	/* Passed descriptors go with the process that finds a bug(). */
	close_range((unsigned)passed + 1, ~0U, 0);
	return 0;
}
