#ifndef IMAPGATE_GATE_LOGIN_H
#define IMAPGATE_GATE_LOGIN_H

/*
 * LOGIN, AUTHENTICATE and the login by client certificate: each collects credentials and asks
 * the monitor.
 */

#include "gate/dialogue.h"

/* Returns whether a mechanism may be used now. Permitted mechanisms are advertised. */
enum permission	login_permission(const struct imap *, const struct sasl_mechanism *);

/* Returns whether passwords may be used now (LOGIN, LOGINDISABLED, PLAIN). */
enum permission	login_password_permission(const struct imap *);

/*
 * Logs that LOGIN was refused for lack of TLS, with the user name in s->user. password_sent: the
 * client has already sent the password.
 */
void	login_report_refused(struct imap *, bool password_sent);

/*
 * Logs in with the client's certificate alone (--preauth cert). Returns NEXT_HANDOFF; calls
 * dialogue_finish() after a failure.
 */
enum next	login_preauth(struct imap *);

/*
 * Run LOGIN and AUTHENTICATE, whose arguments must have been parsed into struct imap. Return
 * NEXT_HANDOFF after a successful login, else NEXT_COMMAND.
 */
enum next	login_command(struct imap *);
enum next	login_authenticate(struct imap *);

#endif
