#ifndef IMAPGATE_GATE_UCSPITLS_H
#define IMAPGATE_GATE_UCSPITLS_H

/*
 * TLS that the superserver begins when it is asked to (UCSPI-TLS): it does
 * the handshake on the client's socket, and from then on what the client
 * sends and gets goes through two descriptors of the superserver's.
 */

#include <stdint.h>

#include "gate/conn.h"
#include "boundary/msg.h"

struct ucspitls {
	struct conn	control;	/* where it is asked */
	struct conn	inside;		/* the client, as soon as there is TLS */
	struct msg_tls	tls;		/* what the superserver says of it; protocol is empty as long as there is none */
};

/* Gets ready on the descriptors that sandbox.h names, while there is no sandbox yet. */
void	ucspitls_init(struct ucspitls *, int monitor, int64_t deadline);

/*
 * Asks for TLS and waits for the handshake. After CONN_OK the connection is
 * the inside; else the superserver could not do it, or the time is up.
 */
enum conn_end	ucspitls_start(struct ucspitls *, struct conn *);

#endif
