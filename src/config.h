#ifndef IMAPGATE_CONFIG_H
#define IMAPGATE_CONFIG_H

/*
 * A file of "name = value" lines, in the syntax of OpenSSL's configuration
 * files (config(5)): comments, quotes, escapes and lines that go on. What
 * would make a value depend on anything else is refused: sections, .include,
 * and variables, those of the environment too.
 */

#include <stdio.h>

/* Takes one setting. The strings are the callee's, for as long as the process lives; line counts from 1. */
typedef void config_take(void *arg, const char *name, char *value, unsigned line);

/* What is wrong with a file. */
struct config_error {
	unsigned	line;		/* 0: the file can't be read */
	char		text[160];
};

/*
 * Reads a line and those that continue it, each of which ends in a backslash;
 * line counts them. Returns the text, to be freed, or NULL at the file's end.
 */
char	*config_line(FILE *, unsigned *line);

/* Gives each setting to take, in the file's order. Returns 0 or, with the error filled, an exit status of sysexits(3). */
int	config_read(const char *path, config_take *take, void *arg, struct config_error *);

#endif
