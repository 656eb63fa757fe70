#ifndef IMAPGATE_GATE_KTLS_H
#define IMAPGATE_GATE_KTLS_H

/*
 * Moves a TLS session from OpenSSL to the kernel after the login. ktls_watch() stores the
 * handshake's secrets and counts records from the first on; ktls_switch() then gives keys and
 * counters to the kernel. OpenSSL's SSL_OP_ENABLE_KTLS would switch before the login, and has no
 * receiving of TLS 1.3 in OpenSSL 3.0.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/msg.h"
#include "gate/conn.h"
#include "gate/traffickeys.h"

/* Directions, with the values of write_p in SSL_CTX_set_msg_callback(3). */
#define KTLS_READ	0
#define KTLS_WRITE	1

/* Octets of SHA-384, the longest digest of TLS 1.3. */
#define KTLS_SECRET_MAX	48

struct ktls {
	enum ktls_obstacle	 obstacle;	/* obstacle that is known so far */
	uint64_t		 records[2];	/* number of records under the current keys */
	size_t			 secret_len[2];	/* 0: no secret yet, or TLS 1.2, which has none */
	uint8_t			 secret[2][KTLS_SECRET_MAX];
};

/*
 * Stores secrets and counts records of the connection that will be made from the context, which
 * must be used for one connection only. With an obstacle other than OBSTACLE_NONE only the
 * obstacle is stored.
 */
void	ktls_watch(struct ktls *, SSL_CTX *, enum ktls_obstacle obstacle);

/*
 * Derives the current keys, indexed by direction. Returns false if OpenSSL fails or a secret is
 * missing or of the wrong length. The caller wipes keys in any case.
 */
bool	ktls_derive(const struct ktls *, const SSL *, struct traffickeys keys[2]);

/*
 * Gives both directions to the kernel. Returns OBSTACLE_NONE, and ssl is freed and NULL; or the
 * obstacle, and the connection is unchanged. Dies if the kernel accepts only one direction, which
 * can't be undone. Wipes the secrets in any case.
 */
enum ktls_obstacle	ktls_switch(struct ktls *, struct conn *);

/* Wipes the secrets; ktls_switch() then returns OBSTACLE_SECRETS. */
void	ktls_forget(struct ktls *);

#endif
