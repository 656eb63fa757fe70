#ifndef IMAPGATE_CHECK_USER_H
#define IMAPGATE_CHECK_USER_H

/* What a login would make of one user: ids, home, environment, arguments, and PAM's opinion of the account. */

#include "options.h"

/* Prints its findings about the user opts->user. */
void	user_check(const struct options *);

#endif
