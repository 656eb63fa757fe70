#ifndef IMAPGATE_GATE_LOGIN_H
#define IMAPGATE_GATE_LOGIN_H

/*
 * LOGIN, AUTHENTICATE and the login by client certificate: each collects credentials and asks
 * the monitor.
 */

#include "gate/dialogue.h"

/* Returns whether a mechanism may be used now; PERMITTED is also what makes it advertised. */
enum permission	login_permission(const struct imap *, const struct sasl_mechanism *);

/* Returns the same for all uses of a password: LOGIN, LOGINDISABLED, PLAIN. */
enum permission	login_password_permission(const struct imap *);

/*
 * Logs that LOGIN was refused for lack of TLS, with the user in s->user as far as it was read.
 * complete means that the password was sent too.
 */
void	login_report_refused(struct imap *, bool complete);

/*
 * Logs in with the client's certificate alone (--preauth cert). Returns NEXT_HANDOFF; a failure
 * ends in dialogue_finish().
 */
enum next	login_preauth(struct imap *);

/*
 * Run LOGIN and AUTHENTICATE; the arguments have been parsed into struct imap. Return
 * NEXT_HANDOFF after a successful login, else NEXT_COMMAND.
 */
enum next	login_command(struct imap *);
enum next	login_authenticate(struct imap *);

#endif
