#ifndef IMAPGATE_LISTENER_EVENTS_H
#define IMAPGATE_LISTENER_EVENTS_H

/*
 * Waits for input on all of the listener's descriptors (epoll(7)).
 */

#include <stdbool.h>
#include <stdint.h>

/* Owners of descriptors; index names one of several. */
enum event_kind {
	EVENT_SIGNAL,
	EVENT_SOCKET,		/* a listening socket; index: its place in the list */
	EVENT_ROLE,		/* a zygote or the signer (roles.h) */
	EVENT_LOGIN,		/* a gate's login pair; index: the connection's slot */
	EVENT_ACCOUNT,		/* a monitor's pair; index: the connection's slot */
};

struct event {
	enum event_kind	kind;
	uint32_t	index;
};

#define EVENTS_MAX	64

/* Creates the epoll instance. Dies on failure. Call it once, before the other functions. */
void	events_begin(void);

/* Watches a descriptor for input. Returns false with errno on failure. */
bool	events_add(int fd, enum event_kind, uint32_t index);

/* Changes the owner of a watched descriptor. Takes no memory; dies on failure. */
void	events_change(int fd, enum event_kind, uint32_t index);

/*
 * Stops watching a descriptor. Call it before close(2): the open file may live on in another
 * process.
 */
void	events_remove(int fd);

/*
 * Waits for events, for at most ms milliseconds (-1: without a limit). Returns how many there
 * are, 0 also after a signal. Dies if epoll_wait(2) fails.
 */
int	events_wait(struct event events[EVENTS_MAX], int ms);

#endif
