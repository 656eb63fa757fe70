#ifndef IMAPGATE_LISTENER_EVENTS_H
#define IMAPGATE_LISTENER_EVENTS_H

/* The listener's one place to wait (epoll(7)). */

#include <stdbool.h>
#include <stdint.h>

/* Whose descriptor it is; index says which of them. */
enum event_kind {
	EVENT_SIGNAL,
	EVENT_SOCKET,		/* a listening one, by its place in the list */
	EVENT_ROLE,		/* a zygote or a signer (roles.h) */
	EVENT_LOGIN,		/* a gate's login pair, by the connection's slot */
	EVENT_ACCOUNT,		/* a monitor's pair, the same */
};

struct event {
	enum event_kind	kind;
	uint32_t	index;
};

#define EVENTS_MAX	64

/* To be called once, before the others. Dies if it can't be had. */
void	events_begin(void);

/* Waits for input on this descriptor from now on. Returns false with errno if that can't be done. */
bool	events_add(int fd, enum event_kind, uint32_t index);

/* No longer. To be called before close(2): the open file may live on in another process. */
void	events_remove(int fd);

/* Waits, at most so many milliseconds (-1: for ever). Returns how many events there are, 0 also after a signal. Dies if it can't wait. */
int	events_wait(struct event events[EVENTS_MAX], int ms);

#endif
