#ifndef IMAPGATE_SETTING_H
#define IMAPGATE_SETTING_H

/*
 * One option with its value, and the parsers for values. Used by options.c only, whose table
 * assigns the parsers.
 */

#include <stddef.h>

#include "config/options.h"

struct setting {
	const char		*name;
	char			*value;		/* NULL: none, as for a flag on the command line */
	size_t			 offset;	/* in struct options, for single values */
	const char *const	*choices;	/* for setting_choice; NULL at the end */
	const char		*file;		/* NULL: the command line */
	unsigned		 line;
};

/* Reports an error in the command line (options_error_hook) and exits with EX_USAGE. */
void	setting_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Reports an error in a file, at this line (0: as a whole), and exits with status. */
void	setting_file_error(int status, const char *file, unsigned line, const char *text) __attribute__((noreturn));

/* Reports an error in a setting, with its option or its file and line, and exits. */
void	setting_error(const struct setting *, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Parses a value into the options, or reports an error and exits. */
typedef void setting_parser(struct options *, const struct setting *);

setting_parser setting_flag;		/* bool; in a file "yes" or "no" */
setting_parser setting_string;		/* const char *, may be empty */
setting_parser setting_nonempty;	/* const char *, not empty */
setting_parser setting_home;		/* const char *, an absolute path without %h */
setting_parser setting_count;		/* unsigned, from 1 to 100 */
setting_parser setting_limit;		/* unsigned, from 1 to OPTIONS_LIMIT_MAX */
setting_parser setting_seconds;		/* unsigned milliseconds, from a second to a day */
setting_parser setting_delay;		/* unsigned milliseconds, from 0 to a minute, with a fraction */
setting_parser setting_uid;		/* uid_t */
setting_parser setting_choice;		/* an enum, by the names of its values */
/* The following append to lists of struct options. */
setting_parser setting_cert;
setting_parser setting_key;
setting_parser setting_tls;
setting_parser setting_setenv;
setting_parser setting_proxy;
setting_parser setting_unlimited;
setting_parser setting_program;		/* PROGRAM, not empty, then its arguments */

#endif
