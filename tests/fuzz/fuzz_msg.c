/*
 * The transport between our processes (boundary/msg.h): any octets as one
 * message, to both ways of receiving. The first octet of an input is a set of
 * bits, the second a type, the third how much longer than its type's the
 * message is (128: as long), the fourth the octet that it is filled with; the rest
 * of the input lies over its beginning or its end. A message that is taken has a known
 * type, just its size and its descriptors, and texts that end; it arrives unchanged when it is
 * sent on. Everything else must be a bug(), which does not end the process here.
 */

#include "fuzz.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/msg.h"

enum {
	RAW = 1,		/* the octets are the message */
	NOW = 2,		/* as one of many who are served */
	AT_THE_END = 4,		/* the octets stand at the end of the message */
	DESCRIPTORS = 24,	/* how many come with it, from 0 to 3 */
};

static const struct type {
	bool	exists;
	size_t	size;
	int	fds;
} types[] = {
	[MSG_LOGIN] = { true, sizeof(struct msg_login), 0 },
	[MSG_LOGIN_ANSWER] = { true, sizeof(struct msg_login_answer), 0 },
	[MSG_LAUNCH] = { true, sizeof(struct msg_launch), 0 },
	[MSG_LAUNCH_ANSWER] = { true, 0, 1 },
	[MSG_LOG] = { true, sizeof(struct msg_log), 0 },
	[MSG_PROXIED] = { true, sizeof(struct msg_proxied), 0 },
	[MSG_PROXIED_ANSWER] = { true, sizeof(struct msg_proxied_answer), 0 },
	[MSG_PROGRAM_OUTPUT] = { true, sizeof(struct msg_program_output), 0 },
	[MSG_KEY] = { true, sizeof(struct msg_key), 0 },
	[MSG_KEY_ANSWER] = { true, sizeof(struct msg_key_answer), 0 },
	[MSG_SIGN] = { true, sizeof(struct msg_sign), 0 },
	[MSG_SIGN_ANSWER] = { true, sizeof(struct msg_sign_answer), 0 },
	[MSG_PAIR] = { true, sizeof(struct msg_pair), 1 },
	[MSG_SIGN_REPORT] = { true, sizeof(struct msg_sign_report), 0 },
	[MSG_READY] = { true, sizeof(struct msg_ready), 0 },
	[MSG_SPAWN_GATE] = { true, sizeof(struct msg_spawn_gate), 2 },
	[MSG_SPAWN_MONITOR] = { true, sizeof(struct msg_spawn_monitor), 3 },
	[MSG_SPAWN_PEER] = { true, sizeof(struct msg_spawn_monitor), 2 },
	[MSG_SPAWNED] = { true, sizeof(struct msg_spawned), 0 },
	[MSG_FAILED] = { true, sizeof(struct msg_failed), 0 },
	[MSG_FAILED_ANSWER] = { true, sizeof(struct msg_failed_answer), 0 },
	[MSG_LOGGED_IN] = { true, sizeof(struct msg_logged_in), 0 },
	[MSG_LOGGED_IN_ANSWER] = { true, sizeof(struct msg_logged_in_answer), 0 },
	[MSG_GATE_END] = { true, 0, 0 },
	[MSG_GATE_END_ANSWER] = { true, sizeof(struct msg_gate_end_answer), 0 },
	[MSG_LAUNCHED] = { true, sizeof(struct msg_launched), 0 },
	[MSG_PEER_UNKNOWN] = { true, 0, 0 },
	[MSG_DROPPED] = { true, sizeof(struct msg_dropped), 0 },
};
#define TYPES	(sizeof(types) / sizeof(types[0]))
#define BODY	offsetof(struct msg, u)

static int		pair[2] = { -1, -1 }, passed = -1;
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
	uint32_t type = data[1] % (TYPES + 3);
	long len;

	data += 4;
	size -= 4;
	if ((data[-4] & RAW) != 0) {
		octets_len = size < sizeof(octets) ? size : sizeof(octets);
		memcpy(octets, data, octets_len);
		return;
	}
	len = (long)(BODY + (type < TYPES ? types[type].size : 0)) + data[-2] - 128;
	octets_len = len < 0 ? 0 : (size_t)len;
	memset(octets, data[-1], octets_len);
	if (octets_len >= sizeof(type))
		memcpy(octets, &type, sizeof(type));
	if (octets_len < BODY + size)
		return;
	memcpy((data[-4] & AT_THE_END) != 0 ? octets + octets_len - size : octets + BODY, data, size);
}

static void
send_message(int n)
{
	union {
		struct cmsghdr	header;
		char		room[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec iov = { octets, octets_len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	int i;

	memset(&control, 0, sizeof(control));
	control.header.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	for (i = 0; i < n; i++)
		memcpy(CMSG_DATA(&control.header) + (size_t)i * sizeof(int), &passed, sizeof(int));
	if (n > 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	}
	MUST(sendmsg(pair[1], &hdr, MSG_NOSIGNAL) == (ssize_t)octets_len);
}

static bool
ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* What was taken, by the rules of boundary/msg.h. */
static void
check(const struct msg *m, const int fds[MSG_FDS_MAX], int n)
{
	static struct msg again, empty;
	int i, back[MSG_FDS_MAX];

	MUST(m->type < TYPES && types[m->type].exists && n == types[m->type].fds);
	MUST(octets_len == BODY + types[m->type].size);
	for (i = 0; i < MSG_FDS_MAX; i++)
		MUST((fds[i] > passed) == (i < n));
	MUST(memcmp(m, octets, octets_len) == 0);
	msg_begin(&empty, (enum msg_type)m->type);
	MUST(empty.type == m->type);
	if (m->type == MSG_LOGIN)
		MUST(ends(m->u.login.authcid, MSG_NAME_MAX) && ends(m->u.login.authzid, MSG_NAME_MAX) &&
		    ends(m->u.login.secret, MSG_SECRET_MAX));
	if (m->type == MSG_LOG)
		MUST(ends(m->u.log.text, sizeof(m->u.log.text)));
	if (m->type == MSG_LOGGED_IN)
		MUST(ends(m->u.logged_in.name, sizeof(m->u.logged_in.name)));
	MUST(msg_send_fds(pair[1], m, fds, true) == 0);
	MUST(msg_recv_fds(pair[0], &again, back) == 1 && memcmp(&again, octets, octets_len) == 0);
	msg_wipe(&again);
	MUST(again.type == 0);
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
	const char *wrong = NULL;
	int fds[MSG_FDS_MAX], n;
	uint32_t type;

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
	n = (data[0] & DESCRIPTORS) / 8;
	send_message(n);
	MUST(msg_peek_type(pair[0], &type) == 1 && (octets_len < sizeof(type) ? type == 0 : memcmp(&type, octets, sizeof(type)) == 0));
	if ((data[0] & NOW) != 0) {
		if (msg_recv_now(pair[0], &m, fds, &wrong) == 1)
			check(&m, fds, n);
		else
			MUST(wrong != NULL && fds[0] == -1 && fds[1] == -1 && fds[2] == -1);
	} else if (setjmp(refused) == 0) {
		MUST(msg_recv_fds(pair[0], &m, fds) == 1);
		check(&m, fds, n);
	}
	/* Passed descriptors go with the process that finds a bug(). */
	close_range((unsigned)passed + 1, ~0U, 0);
	return 0;
}
