/*
 * The key holder, see keyholder.h. Runs as root, as a child of the listener.
 * What it is asked are the gates' words, as in monitor/sign.c, which judges
 * them; a monitor has counted them before.
 */

#include "monitor/keyholder.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "monitor/sign.h"
#include "title.h"

/* Passes on why not: the asker logs it, since it alone knows for which client. */
static void
set_reason(char reason[MSG_REASON_MAX], const char *text)
{
	if (text == NULL)
		text = "";
	msg_text(reason, MSG_REASON_MAX, text, strnlen(text, MSG_REASON_MAX - 1));
}

static void
answer(struct sign_keys *keys, const struct msg *question, struct msg *reply)
{
	const char *reason;

	switch (question->type) {
	case MSG_KEY:
		reply->type = MSG_KEY_ANSWER;
		reason = sign_holds(keys, question->u.key.index, question->u.key.key_digest);
		reply->u.key_answer.held = reason == NULL;
		set_reason(reply->u.key_answer.reason, reason);
		return;
	case MSG_SIGN:
		reply->type = MSG_SIGN_ANSWER;
		reason = sign_answer(keys, &question->u.sign, &reply->u.sign_answer);
		set_reason(reply->u.sign_answer.reason, reason);
		return;
	}
	bug("the key holder is asked for %u", question->type);
}

void
keyholder_run(const struct options *o, int service)
{
	static struct sign_keys keys;
	static struct msg question, reply;
	int fd;

	keys.opts = o;
	prctl(PR_SET_NAME, "imapgate-keys");
	title_set(NULL, NULL, "key holder");
	while ((fd = msg_called(service, &question)) != -1) {
		answer(&keys, &question, &reply);
		msg_send(fd, &reply);
		close(fd);
	}
	sign_forget(&keys);
	_exit(0);
}

bool
keyholder_has(int service, uint32_t index, const uint8_t key_digest[MSG_DIGEST], char reason[MSG_REASON_MAX])
{
	struct msg m;

	msg_begin(&m, MSG_KEY);
	m.u.key.index = index;
	memcpy(m.u.key.key_digest, key_digest, MSG_DIGEST);
	set_reason(reason, "the key holder has ended");
	if (msg_call(service, &m) != 1 || m.type != MSG_KEY_ANSWER)
		return false;
	memcpy(reason, m.u.key_answer.reason, MSG_REASON_MAX);
	return m.u.key_answer.held != 0;
}

void
keyholder_sign(int service, const struct msg_sign *question, struct msg_sign_answer *a)
{
	struct msg m;

	msg_begin(&m, MSG_SIGN);
	m.u.sign = *question;
	memset(a, 0, sizeof(*a));
	if (msg_call(service, &m) == 1 && m.type == MSG_SIGN_ANSWER)
		*a = m.u.sign_answer;
}
