#ifndef IMAPGATE_GATE_LOGIN_H
#define IMAPGATE_GATE_LOGIN_H

/*
 * LOGIN and AUTHENTICATE: two ways to the same credentials, and one from
 * there to the monitor.
 */

#include "gate/dialogue.h"

/* Why a mechanism can't be used now; REFUSE_NOT says that it can, and is advertised. */
enum refusal	login_refusal(const struct session *, const struct sasl_mechanism *);

/* The same of passwords in whatever way: for LOGIN and LOGINDISABLED. */
enum refusal	login_refuse_password(const struct session *);

/*
 * Logs that a LOGIN command was refused for lack of TLS; complete says whether
 * its password was sent. User is what was read of its first argument.
 */
void	login_report_refused(struct session *, bool complete);

/* Logs in by the client's certificate alone. NEXT_HANDOFF, or the session is finished. */
enum next	login_preauth(struct session *);

/* The commands, whose arguments have been parsed into the session. NEXT_HANDOFF says that the client is logged in. */
enum next	login_command(struct session *);
enum next	login_authenticate(struct session *);

#endif
