#ifndef IMAPGATE_MONITOR_REFUSED_H
#define IMAPGATE_MONITOR_REFUSED_H

/*
 * The password that was refused last on this connection. A client with one
 * wrong password tries it by each mechanism that it knows; PAM would count
 * each time, and might lock the account. All zeros: there is none.
 */

#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"

/* A digest with a random key: a mistyped password is nearly the right one, and must not stay in memory. */
struct refused {
	bool	known;
	uint8_t	key[32], digest[32];
};

/* Is it the same user and password once more? False if nothing is remembered. */
bool	refused_is_same(const struct refused *, const struct msg_login *);

/*
 * Remembers a password that was refused as wrong; any other outcome makes the
 * one before forgotten. Loads OpenSSL; where that fails nothing is remembered.
 */
void	refused_remember(struct refused *, const struct msg_login *, enum msg_outcome);

/* Wipes it. */
void	refused_forget(struct refused *);

#endif
