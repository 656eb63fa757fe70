#ifndef IMAPGATE_GATE_IMAP_H
#define IMAPGATE_GATE_IMAP_H

/* The commands of a client that is not logged in (RFC 9051, 6.1 and 6.2). */

#include "gate/dialogue.h"

/* The greeting, with the capabilities (RFC 9051, 7.1.1). Sends it. */
void		imap_greet(struct imap *);

/* Reads one command, inviting its literals for as long as it looks good, and runs it. The answer waits to be sent (dialogue_flush). */
enum next	imap_command(struct imap *);

#endif
