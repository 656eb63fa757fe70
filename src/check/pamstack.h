#ifndef IMAPGATE_CHECK_PAMSTACK_H
#define IMAPGATE_CHECK_PAMSTACK_H

/*
 * Checks of a PAM service (pam.conf(5)): its file, the files that it includes, and whether each
 * module can be loaded.
 */

#include "config/options.h"

/* Prints findings about a service. */
void	pamstack_check(const struct options *, const char *service);

#endif
