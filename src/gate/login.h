#ifndef IMAPGATE_GATE_LOGIN_H
#define IMAPGATE_GATE_LOGIN_H

/*
 * LOGIN and AUTHENTICATE: two ways to the same credentials, and one from
 * there to the monitor.
 */

#include "gate/dialogue.h"

/* The commands, whose arguments have been parsed into the session. NEXT_HANDOFF says that the client is logged in. */
enum next	login_command(struct session *);
enum next	login_authenticate(struct session *);

#endif
