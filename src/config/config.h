#ifndef IMAPGATE_CONFIG_H
#define IMAPGATE_CONFIG_H

/*
 * A file of "name = value" lines, in the syntax of OpenSSL's configuration
 * files (config(5)): comments, quotes, escapes and lines that go on. What
 * would make a value depend on anything else is refused: sections, .include,
 * and variables, those of the environment too.
 */

#include <stdio.h>

/*
 * Takes one setting, or a word of one. The strings are the callee's, for as
 * long as the process lives; line counts from 1.
 */
typedef void config_take(void *arg, const char *name, char *value, unsigned line);

/* What is wrong with a file. */
struct config_error {
	unsigned	line;		/* 0: it is the file as a whole */
	char		text[160];
};

/*
 * Reads a line and those that continue it, each of which ends in a backslash;
 * line counts them. Returns the text, to be freed, or NULL at the file's end.
 */
char	*config_line(FILE *, unsigned *line);

/*
 * Reads a file and gives each setting to take, in the file's order. The value
 * of the setting called command is a list of words between blanks, each with
 * quotes and escapes of its own: take is called for each, or once with an
 * empty one. Returns 0 or, with the error filled, an exit status of
 * sysexits(3). Root does not read what others could write: it executes a
 * command from there.
 */
int	config_read(const char *path, const char *command, config_take *take, void *arg, struct config_error *);

#endif
