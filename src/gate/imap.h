#ifndef IMAPGATE_GATE_IMAP_H
#define IMAPGATE_GATE_IMAP_H

/* The commands of a client before the login (RFC 9051, 6.1 and 6.2). */

#include "gate/dialogue.h"

/* Sends the greeting, with the capabilities (RFC 9051, 7.1.1). */
void		imap_greet(struct imap *);

/*
 * Reads one command, inviting its literals as long as its arguments are valid, and runs it.
 * Returns the next step; the reply is not sent before dialogue_flush().
 */
enum next	imap_command(struct imap *);

#endif
