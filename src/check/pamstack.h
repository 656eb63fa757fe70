#ifndef IMAPGATE_CHECK_PAMSTACK_H
#define IMAPGATE_CHECK_PAMSTACK_H

/* Checks a PAM service (pam.conf(5)): its file, what that includes, and whether each module can be loaded. */

#include "config/options.h"

/* Prints its findings. */
void	pamstack_check(const struct options *, const char *service);

#endif
