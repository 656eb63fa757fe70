#ifndef IMAPGATE_CONFIG_H
#define IMAPGATE_CONFIG_H

/*
 * Reads a file of "name = value" lines, in the syntax of OpenSSL's configuration files
 * (config(5)): comments, quotes, escapes and continued lines. A value can't depend on anything
 * else: sections, .include and variables, also of the environment, are refused.
 */

#include <stdio.h>

/*
 * Called with one setting, or one word of it. The callee owns the strings, which are never freed;
 * line counts from 1.
 */
typedef void config_take(void *arg, const char *name, char *value, unsigned line);

/* An error in a file. */
struct config_error {
	unsigned	line;		/* 0: the file as a whole */
	char		text[160];
};

/*
 * Reads a line and its continuations; a line that ends in a backslash is continued. Adds their
 * number to line. Returns the text, which the caller frees, or NULL at the file's end. Dies if
 * there is no memory.
 */
char	*config_line(FILE *, unsigned *line);

/*
 * Reads a file and calls take for each setting, in order. The value of the setting named command
 * is split at blanks into words, each with its own quotes and escapes: take is called for each
 * word, once for an empty value. Returns 0, or an exit status of sysexits(3) with error filled.
 * As root, refuses a file that others can write: it names a command that root executes.
 */
int	config_read(const char *path, const char *command, config_take *take, void *arg, struct config_error *);

#endif
