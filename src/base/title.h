#ifndef IMAPGATE_TITLE_H
#define IMAPGATE_TITLE_H

/*
 * Process titles: ps(1) shows of each process what it is and for whom, in
 * place of the command line, as sshd(8) has it.
 */

/* Longest piece of a user's name that is shown. */
#define TITLE_NAME	64

/*
 * Takes the memory of the arguments and the environment for titles; it is
 * wiped. Returns copies of the arguments, NULL at the end, to be used from
 * here on; environ(7) has copies too. NULL if there is no memory for them.
 * To be called before anybody has a pointer to either.
 */
char	**title_begin(char *argv[]);

/*
 * Returns a variable for the environment of a program of ours that is executed
 * with few words: it makes room for the longest title.
 */
char	*title_room(void);

/*
 * Sets the title: "imapgate: ROLE NAME ADDRESS". Takes the role as printf(3)
 * does; name, which may be a client's text, and address, which are left out if
 * they are NULL or "". Shown is printable ASCII; other octets, and spaces in a
 * name, are "?". The rest of a title that is too long is cut. Before title_begin it does nothing.
 * It makes no system call.
 */
void	title_set(const char *name, const char *address, const char *role, ...) __attribute__((format(printf, 3, 4)));

#endif
