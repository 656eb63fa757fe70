#ifndef IMAPGATE_GATE_UCSPITLS_H
#define IMAPGATE_GATE_UCSPITLS_H

/*
 * TLS by the superserver on request (UCSPI-TLS): the superserver does the handshake on the
 * client's socket, and then passes the client's data through two other descriptors.
 */

#include <stdint.h>

#include "boundary/msg.h"
#include "gate/conn.h"

struct ucspitls {
	struct conn	control;	/* where TLS is requested */
	struct conn	inside;		/* the client's data once there is TLS */
	struct msg_tls	tls;		/* reported by the superserver; protocol is "" before the handshake */
};

/*
 * Initializes both connections on the descriptors of sandbox.h. Takes the monitor's descriptor
 * and the deadline (clock_ms()). Must be called before the sandbox is entered.
 */
void	ucspitls_init(struct ucspitls *, int monitor, int64_t deadline);

/*
 * Requests TLS and waits for the handshake. With CONN_OK inside takes the place of the connection;
 * any other result means that the superserver failed or the deadline passed.
 */
enum conn_end	ucspitls_start(struct ucspitls *, struct conn *);

#endif
