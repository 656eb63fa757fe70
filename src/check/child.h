#ifndef IMAPGATE_CHECK_CHILD_H
#define IMAPGATE_CHECK_CHILD_H

/*
 * Tries something in a child process, since it gives up rights, loads code
 * that nobody knows, or ends in die(). What becomes of it is a text.
 */

#include <stddef.h>

/* What is tried: may write a text to fd, the last words of die() come there too. Returning ends the child. */
typedef void child_task(void *arg, int fd);

/*
 * Tries it for ten seconds at the most. Fills text with what was written,
 * or with how the child ended if that was not by itself. Empty means that
 * there was nothing to say.
 */
void	child_run(child_task *, void *arg, char *text, size_t size);

/* From here on the last words of die() go to this descriptor: for who moves them. */
void	child_report(int fd);

#endif
