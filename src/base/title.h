#ifndef IMAPGATE_TITLE_H
#define IMAPGATE_TITLE_H

/*
 * Process titles: ps(1) shows a process's purpose and client in place of the command line, as
 * with sshd(8).
 */

/* Octets of a user's name that are shown. */
#define TITLE_NAME_MAX	64

/*
 * Takes over the memory of arguments and environment for titles, and wipes it. Copies the
 * environment for environ(7). Returns a copy of the arguments, which the caller uses instead;
 * NULL without memory. Call it before any pointer to either was stored.
 */
char	**title_begin(char *argv[]);

/*
 * Returns a variable for the environment of an executed program with few arguments: memory for
 * the longest title.
 */
char	*title_room(void);

/*
 * Sets the title "imapgate: ROLE NAME ADDRESS". Takes the role as printf(3) does, and a name and
 * address, which are left out if NULL or "". Octets other than printable ASCII become "?", and
 * spaces in a name too. Cuts a title that is too long. Does nothing before title_begin(). Makes
 * no system call.
 */
void	title_set(const char *name, const char *address, const char *role, ...) __attribute__((format(printf, 3, 4)));

#endif
