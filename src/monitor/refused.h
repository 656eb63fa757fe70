#ifndef IMAPGATE_MONITOR_REFUSED_H
#define IMAPGATE_MONITOR_REFUSED_H

/*
 * The password that was refused last on this connection. A client tries one wrong password by
 * each mechanism that it knows; PAM would count each attempt and might lock the account. All
 * zeros: none.
 */

#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"

/*
 * A digest with a random key, because a mistyped password is close to the right one and must not
 * stay in memory.
 */
struct refused {
	bool	known;
	uint8_t	key[32], digest[32];
};

/* Returns whether user and password are the refused ones. False if none is stored. */
bool	refused_is_same(const struct refused *, const struct msg_login *);

/*
 * Stores a password that was refused as wrong; with any other outcome clears the stored one.
 * Loads OpenSSL; if that fails nothing is stored.
 */
void	refused_remember(struct refused *, const struct msg_login *, enum msg_outcome);

/* Wipes the stored password. */
void	refused_forget(struct refused *);

#endif
