#ifndef IMAPGATE_SETTING_H
#define IMAPGATE_SETTING_H

/*
 * One option as it was given, and the forms that its value may have. For
 * options.c only, whose table says which option has which parser.
 */

#include <stddef.h>

#include "config/options.h"

struct setting {
	const char		*name;
	char			*value;		/* NULL: there is none, as for a flag on the command line */
	size_t			 at;		/* where it goes in struct options, for values that are no list */
	const char *const	*words;		/* of setting_word, NULL at their end */
	const char		*file;		/* NULL: the command line */
	unsigned		 line;
};

/*
 * Complaints go where options.h says, and end the process.
 * The command line is wrong: exit status EX_USAGE.
 */
void	setting_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The file is wrong at this line, or as a whole if that is 0. */
void	setting_bad_file(int status, const char *file, unsigned line, const char *text) __attribute__((noreturn));

/* This setting is wrong: names file and line, or the option. */
void	setting_error(const struct setting *, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* A parser: puts the value into its place in the options, or complains of it. */
typedef void setting_parser(struct options *, const struct setting *);

setting_parser setting_flag;		/* bool; in a file "yes" or "no" */
setting_parser setting_text;		/* const char *, not empty */
setting_parser setting_list;		/* const char *, perhaps empty */
setting_parser setting_home;		/* const char *, an absolute path without %h */
setting_parser setting_count;		/* unsigned, from 1 to 100 */
setting_parser setting_limit;		/* unsigned, from 1 to OPTIONS_LIMIT_MAX */
setting_parser setting_seconds;		/* unsigned milliseconds, from a second to a day */
setting_parser setting_delay;		/* the same from nothing to a minute, with a fraction */
setting_parser setting_uid;		/* uid_t */
setting_parser setting_word;		/* an enum, by its words */
setting_parser setting_cert;		/* the lists of struct options */
setting_parser setting_key;
setting_parser setting_tls;
setting_parser setting_setenv;
setting_parser setting_proxy;
setting_parser setting_unlimited;
setting_parser setting_program;		/* PROGRAM, which is not empty, or its next argument */

#endif
