#ifndef IMAPGATE_GATE_LOGIN_H
#define IMAPGATE_GATE_LOGIN_H

/*
 * LOGIN and AUTHENTICATE: two ways to the same credentials, and one from
 * there to the monitor.
 */

#include "gate/dialogue.h"

/* Why a mechanism can't be used now; PERMITTED says that it can, and is advertised. */
enum permission	login_permission(const struct imap *, const struct sasl_mechanism *);

/* The same of passwords in whatever way: for LOGIN and LOGINDISABLED. */
enum permission	login_password_permission(const struct imap *);

/*
 * Logs that a LOGIN command was refused for lack of TLS; complete says whether
 * its password was sent. User is what was read of its first argument.
 */
void	login_report_refused(struct imap *, bool complete);

/* Logs in by the client's certificate alone. NEXT_HANDOFF, or the session is finished. */
enum next	login_preauth(struct imap *);

/* The commands, whose arguments have been parsed into the session. NEXT_HANDOFF says that the client is logged in. */
enum next	login_command(struct imap *);
enum next	login_authenticate(struct imap *);

#endif
