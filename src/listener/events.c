/*
 * Waits for input, see events.h. Run by the listener, as root.
 */

#include "listener/events.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/again.h"
#include "base/log.h"

static int epoll = -1;
static unsigned tries;		/* failed calls in a row */

void
events_begin(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll == -1)
		die("epoll");
}

bool
events_add(int fd, enum event_kind kind, uint32_t index)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = (uint64_t)kind << 32 | index } };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void
events_change(int fd, enum event_kind kind, uint32_t index)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = (uint64_t)kind << 32 | index } };

	if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == -1)
		die("epoll");
}

void
events_remove(int fd)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

int
events_wait(struct event events[EVENTS_MAX], int ms)
{
	struct epoll_event found[EVENTS_MAX];
	int i, n = epoll_wait(epoll, found, EVENTS_MAX, ms);

	if (n == -1 && (errno != EINTR || !again(&tries)))
		die("epoll_wait");
	if (n >= 0)
		tries = 0;
	for (i = 0; i < n; i++)
		events[i] = (struct event){ (enum event_kind)(found[i].data.u64 >> 32), (uint32_t)found[i].data.u64 };
	return n > 0 ? n : 0;
}
