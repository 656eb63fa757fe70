#ifndef IMAPGATE_KTLS_PROBE_H
#define IMAPGATE_KTLS_PROBE_H

/*
 * Whether this kernel can have a TLS session (module "tls"). Each connection
 * asks for its own socket before there is a gate; gate/ktls.h is what hands a
 * session over.
 */

#include "boundary/msg.h"

/*
 * Readies a TCP connection to be given TLS keys one day. Returns OBSTACLE_NONE;
 * OBSTACLE_HALF_CLOSED if the client has closed its side; OBSTACLE_MODULE with errno if
 * the kernel has no TLS, or may not load it.
 */
enum ktls_obstacle	ktls_probe_socket(int fd);

/*
 * Tries it without a client, on a connection of its own over loopback, with
 * keys for the cipher that RFC 9051, 11.1 requires. Returns OBSTACLE_NONE; or with
 * errno OBSTACLE_SOCKET if there is no such connection, OBSTACLE_MODULE as above, or
 * OBSTACLE_KERNEL if the keys are not taken.
 */
enum ktls_obstacle	ktls_probe_kernel(void);

#endif
