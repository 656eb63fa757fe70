#ifndef IMAPGATE_CONFIG_H
#define IMAPGATE_CONFIG_H

/*
 * A file of "name = value" lines, in the syntax of OpenSSL's configuration
 * files (config(5)): comments, quotes, escapes and lines that go on. What
 * would make a value depend on anything else is refused: sections, .include,
 * and variables, those of the environment too.
 */

#include <stddef.h>

/* Takes one setting. The strings are the callee's, for as long as the process lives; line counts from 1. */
typedef void config_take(void *arg, const char *name, char *value, unsigned line);

/* What is wrong with a file. */
struct config_error {
	unsigned	line;		/* 0: the file can't be read */
	char		text[160];
};

/* Gives each setting to take, in the file's order. Returns 0 or, with the error filled, an exit status of sysexits(3). */
int	config_read(const char *path, config_take *take, void *arg, struct config_error *);

#endif
