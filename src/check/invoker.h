#ifndef IMAPGATE_CHECK_INVOKER_H
#define IMAPGATE_CHECK_INVOKER_H

/*
 * The users who may have typed the command line, and their homes: a shell
 * puts one there for a "~" that is not in quotes, also behind the ":" of an
 * assignment, and then all users would be given the mail of one.
 */

/*
 * Remembers root and the user who has become root by sudo(8) or doas(1). To be
 * called before the environment is cleared.
 */
void	invoker_remember(void);

/*
 * Finds the home of one of them in a text, as a path or at the beginning of
 * one. Returns that user's name, NULL if there is none. A user called except
 * (NULL: nobody) does not count. Without root there is none: all mail is that
 * user's then.
 */
const char	*invoker_home_in(const char *text, const char *except);

#endif
