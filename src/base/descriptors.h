#ifndef IMAPGATE_DESCRIPTORS_H
#define IMAPGATE_DESCRIPTORS_H

#include <stdbool.h>

/*
 * Closes all descriptors from first on. Works without close_range(2) too: Linux before 5.9, or a
 * container whose filter of system calls does not know it. Returns false with errno if /proc is
 * missing as well.
 */
bool	descriptors_close_from(int first);

/*
 * Marks the descriptors from first on close-on-exec (close_range(2) does so since Linux 5.11).
 * Fails as above.
 */
bool	descriptors_close_on_exec_from(int first);

/*
 * Closes the descriptors from first on that are not close-on-exec: those that were inherited from
 * the program before execve(2). Returns false with errno without /proc.
 */
bool	descriptors_close_inherited_from(int first);

/*
 * Moves a descriptor to a number from first on, close-on-exec, and closes the old one. Returns
 * the new number, or -1 with errno; then the old one stays.
 */
int	descriptors_move_up(int fd, int first);

#endif
