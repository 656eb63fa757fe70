#ifndef IMAPGATE_CHILDREN_H
#define IMAPGATE_CHILDREN_H

/*
 * The listener's children, one for each connection: who they are and whether
 * their client is logged in. The table is shared with them, since it is the
 * child that knows; and it is a file in memory, so that it outlives an exec
 * of the listener, whose children they stay.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* More processes than a machine is asked to run; the search for one of them is a scan of so many numbers. */
#define CHILDREN_MAX	32768

struct children_count {
	unsigned	waiting;	/* connections that are not logged in */
	unsigned	sessions;	/* that are */
	uint64_t	connections;	/* all that there ever were */
	uint64_t	logins;
};

/* Makes the table, or takes over the one in this file (-1 for none) if it is of the same form. Dies if it can't. */
void	children_open(int fd);

/* The table's file, close-on-exec. */
int	children_fd(void);

/* The listener's part: before fork(2), NULL handle if there is no room; after it, with -1 if it failed; and when a child has ended. */
int	children_reserve(void);
void	children_born(int place, pid_t);
/* False if this is none of them. */
bool	children_ended(pid_t);

/* Sends SIGTERM to all that are not logged in; from here on they can't be. */
void	children_dismiss(void);

struct children_count	children_count(void);

/* The child's part: which place is its own. */
void	children_join(int place);

/*
 * This child's client is logged in, and SIGTERM will not come from the
 * listener any more. False if it has come already: then it is not. Always
 * true in a process that is no child of a listener.
 */
bool	children_log_in(void);

#endif
