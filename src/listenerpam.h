#ifndef IMAPGATE_LISTENERPAM_H
#define IMAPGATE_LISTENERPAM_H

/*
 * The listener's PAM: it is started before there is a client, so that a login
 * need not read PAM's files. When these change it is started anew.
 */

#include <stdbool.h>

#include "options.h"

/* Starts PAM for the services that logins will need. Where that fails, each login tries again and says why. */
void	listenerpam_start(const struct options *);

/* Looks whether the files are others now. True if PAM was started anew. */
bool	listenerpam_refresh(void);

#endif
