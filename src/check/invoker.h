#ifndef IMAPGATE_CHECK_INVOKER_H
#define IMAPGATE_CHECK_INVOKER_H

/*
 * The users who may have typed the command line, and their home directories. A shell replaces an
 * unquoted "~" by such a directory, also after the ":" of an assignment, and then all users
 * would get one user's mail.
 */

/*
 * Records root, and the user that became root by sudo(8) or doas(1). Must be called before the
 * environment is cleared.
 */
void	invoker_remember(void);

/*
 * Searches a text for the home directory of a recorded user, as a path or the beginning of one.
 * Returns that user's name, or NULL. Ignores the user named except (NULL: none). Without root no
 * user is recorded, because all mail belongs to that user.
 */
const char	*invoker_home_in(const char *text, const char *except);

#endif
