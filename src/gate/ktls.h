#ifndef IMAPGATE_GATE_KTLS_H
#define IMAPGATE_GATE_KTLS_H

/*
 * Moves a TLS session from OpenSSL to the kernel after the login. Secrets are taken from the
 * handshake and records are counted from the first on; ktls_switch() then gives keys and
 * counters to the kernel. OpenSSL's own way (SSL_OP_ENABLE_KTLS) would switch before the login,
 * and OpenSSL 3.0 can't do it for receiving with TLS 1.3.
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
	enum ktls_obstacle	 obstacle;	/* known reason why the kernel can't take over */
	uint64_t		 records[2];	/* number of records under the current keys */
	size_t			 secret_len[2];	/* 0: no secret yet, or TLS 1.2, which has none */
	uint8_t			 secret[2][KTLS_SECRET_MAX];
};

/*
 * Takes secrets and counts records of the connection that will be made from the context; the
 * context must be used for one connection only. An obstacle other than OBSTACLE_NONE is stored,
 * and then nothing is watched and no secret is kept.
 */
void	ktls_watch(struct ktls *, SSL_CTX *, enum ktls_obstacle obstacle);

/*
 * Derives the current keys, indexed by direction; records holds the number of the next record.
 * Returns false if OpenSSL fails or a secret is missing or of the wrong length. The caller wipes
 * keys in any case.
 */
bool	ktls_derive(const struct ktls *, const SSL *, struct traffickeys keys[2]);

/*
 * Gives both directions to the kernel. Returns OBSTACLE_NONE, and the connection is a cleartext
 * one for this process; or the obstacle, and the connection is unchanged. Dies if the kernel
 * takes only one direction, which can't be undone. Wipes the secrets in any case.
 */
enum ktls_obstacle	ktls_switch(struct ktls *, struct conn *);

/* Wipes the secrets; ktls_switch() then returns OBSTACLE_SECRETS. */
void	ktls_forget(struct ktls *);

#endif
