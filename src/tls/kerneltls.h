#ifndef IMAPGATE_KERNELTLS_H
#define IMAPGATE_KERNELTLS_H

/*
 * Whether this kernel can have a TLS session (module "tls"). Each connection
 * asks for its own socket before there is a gate; gate/ktls.h is what hands a
 * session over.
 */

#include "boundary/msg.h"

/*
 * Readies a TCP connection to be given TLS keys one day. Returns WHY_NONE;
 * WHY_HALF_CLOSED if the client has closed its side; WHY_MODULE with errno if
 * the kernel has no TLS, or may not load it.
 */
enum msg_why	kerneltls_ready(int fd);

/*
 * Tries it without a client, on a connection of its own over loopback, with
 * keys for the cipher that RFC 9051, 11.1 requires. Returns WHY_NONE; or with
 * errno WHY_SOCKET if there is no such connection, WHY_MODULE as above, or
 * WHY_KERNEL if the keys are not taken.
 */
enum msg_why	kerneltls_try(void);

#endif
