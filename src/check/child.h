#ifndef IMAPGATE_CHECK_CHILD_H
#define IMAPGATE_CHECK_CHILD_H

/*
 * Runs a test in a child process, because it drops privileges, loads unknown code or may die().
 * The result is a text.
 */

#include <stddef.h>

/*
 * A test. May write a text to fd, where the message of die() goes too. Returning ends the child.
 */
typedef void child_task(void *arg, int fd);

/*
 * Runs the test. Fills text, of size octets, with what was written within ten seconds; else with
 * the signal that killed the child, or that it took too long. An empty text means success. Dies
 * if fork(2) fails.
 */
void	child_run(child_task *, void *arg, char *text, size_t size);

/* Redirects the message of die() to this descriptor, for a test that moves its own. */
void	child_report_to(int fd);

#endif
