#ifndef IMAPGATE_SETTING_H
#define IMAPGATE_SETTING_H

/*
 * One option as it was given, and the forms that its value may have. For
 * options.c only, whose table says which option has which form.
 */

#include <stddef.h>

#include "config/options.h"

struct setting {
	const char		*name;
	char			*value;		/* NULL: there is none, as for a flag on the command line */
	size_t			 at;		/* where it goes in struct options, for forms that are no list */
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
void	setting_refuse(const struct setting *, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* A form: puts the value into its place in the options, or complains of it. */
typedef void setting_form(struct options *, const struct setting *);

setting_form setting_flag;		/* bool; in a file "yes" or "no" */
setting_form setting_text;		/* const char *, not empty */
setting_form setting_list;		/* const char *, perhaps empty */
setting_form setting_home;		/* const char *, an absolute path without %h */
setting_form setting_count;		/* unsigned, from 1 to 100 */
setting_form setting_limit;		/* unsigned, from 1 to OPTIONS_LIMIT_MAX */
setting_form setting_seconds;		/* unsigned milliseconds, from a second to a day */
setting_form setting_delay;		/* the same from nothing to a minute, with a fraction */
setting_form setting_uid;		/* uid_t */
setting_form setting_word;		/* an enum, by its words */
setting_form setting_cert;		/* the lists of struct options */
setting_form setting_key;
setting_form setting_tls;
setting_form setting_setenv;
setting_form setting_proxy;
setting_form setting_unlimited;
setting_form setting_program;		/* PROGRAM, which is not empty, or its next argument */

#endif
