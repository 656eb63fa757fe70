#ifndef IMAPGATE_KTLS_PROBE_H
#define IMAPGATE_KTLS_PROBE_H

/*
 * Tests of the kernel's TLS (module "tls"). ktls_probe_socket() is called for each connection
 * before the fork of its gate; gate/ktls.h gives the keys to the kernel.
 */

#include "boundary/msg.h"

/*
 * Prepares a TCP connection to be given TLS keys later. Returns OBSTACLE_NONE;
 * OBSTACLE_HALF_CLOSED if the client has closed its side; or OBSTACLE_MODULE with errno if the
 * kernel has no TLS or may not load it.
 */
enum ktls_obstacle	ktls_probe_socket(int fd);

/*
 * Tests the kernel with a connection over loopback, and keys for the cipher that RFC 9051, 11.1
 * requires. Returns OBSTACLE_NONE; or with errno OBSTACLE_SOCKET (no connection),
 * OBSTACLE_MODULE (as above) or OBSTACLE_KERNEL (keys refused).
 */
enum ktls_obstacle	ktls_probe_kernel(void);

#endif
