#ifndef IMAPGATE_MONITOR_KEEPER_H
#define IMAPGATE_MONITOR_KEEPER_H

/*
 * The keeper: what stays beside a mailbox program whose TLS the kernel does.
 * It touches no byte of the session. Without it the kernel throws away
 * records that it had accepted when the program exits while a slow client's
 * buffer is full, and nobody says close_notify (RFC 8446, 6.1).
 */

#include <stdbool.h>

#include "monitor/account.h"

/*
 * Forks. Returns true in the child, which goes on to become the mailbox
 * program; false if there is no child. The parent never returns: with the
 * user's ids it keeps nothing but the client's socket, passes signals on,
 * waits, ends the connection and exits with the child's status, or 128 and
 * the number of the signal that killed it. Secrets must be gone before.
 */
bool	keeper_stay(const struct account *);

#endif
