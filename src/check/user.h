#ifndef IMAPGATE_CHECK_USER_H
#define IMAPGATE_CHECK_USER_H

/* What a login would make of one user: ids, home, environment, arguments, and PAM's opinion of the account. */

#include <stdbool.h>

#include "monitor/account.h"
#include "config/options.h"

/* Looks an account up as a login would; false if it may not log in, after a finding that says why. */
bool	user_find(struct account *, const struct options *, const char *name);

/* Prints a finding about a uid that can't log in: root's, or one below --min-uid. */
void	user_report_uid(const struct options *, const char *subject, const char *name, uid_t uid);

/* Tries what the monitor tries before it says OK. Returns false after a finding if that fails. */
bool	user_can_start(const struct options *, const struct account *);

/*
 * Prints its findings about the user opts->user. Takes whether the program and
 * the templates can be used at all: what fails because of them is not said
 * again.
 */
void	user_check(const struct options *, bool program_works);

#endif
