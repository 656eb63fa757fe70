#ifndef IMAPGATE_CHECK_USER_H
#define IMAPGATE_CHECK_USER_H

/*
 * Checks of one user: ids, home, environment, arguments, and PAM's account management
 * (pam_acct_mgmt(3)).
 */

#include <stdbool.h>

#include "config/options.h"
#include "monitor/account.h"

/* Finds the account as a login would. Prints a finding and returns false if it may not log in. */
bool	user_find(struct account *, const struct options *, const char *name);

/* Prints a finding about a uid that can't log in: 0, or below --min-uid. */
void	user_report_uid(const struct options *, const char *subject, const char *name, uid_t uid);

/*
 * Tests what the monitor tests before it sends OK. Prints a finding and returns false on failure.
 */
bool	user_can_start(const struct options *, const struct account *);

/*
 * Prints findings about the user opts->user. If program_works is false, failures caused by
 * program or templates are not reported again.
 */
void	user_check(const struct options *, bool program_works);

#endif
