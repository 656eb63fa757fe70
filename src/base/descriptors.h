#ifndef IMAPGATE_DESCRIPTORS_H
#define IMAPGATE_DESCRIPTORS_H

#include <stdbool.h>

/*
 * Closes every descriptor from this number on, where close_range(2) is missing
 * too: Linux before 5.9, and containers whose system call filter does not know
 * it. Returns false with errno if that can't be done: no /proc then.
 */
bool	descriptors_close_from(int first);

/* Marks them close-on-exec in place of closing them. close_range(2) can do that since Linux 5.11. */
bool	descriptors_close_on_exec_from(int first);

/* Closes those from this number on that are not close-on-exec: what another image of this program has left. Returns false as above. */
bool	descriptors_close_left_from(int first);

/* Moves a descriptor to a number from first on, close-on-exec, and closes the old one. Returns the new number, or -1 with errno. */
int	descriptors_move_up(int fd, int first);

#endif
