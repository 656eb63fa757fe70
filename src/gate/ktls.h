#ifndef IMAPGATE_GATE_KTLS_H
#define IMAPGATE_GATE_KTLS_H

/*
 * Giving the TLS session to the kernel when the login is decided: what the
 * handshake negotiated is remembered and records are counted from the first
 * on, and at the end the kernel gets keys and counters. OpenSSL's own way
 * (SSL_OP_ENABLE_KTLS) would do that before anybody is logged in, and OpenSSL
 * 3.0 can't do it for what TLS 1.3 receives.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate/conn.h"
#include "gate/traffickeys.h"
#include "boundary/msg.h"

/* Two directions, as OpenSSL's callback counts them. */
#define KTLS_READ	0
#define KTLS_WRITE	1

/* As long as the longest digest of TLS 1.3 (SHA-384). */
#define KTLS_SECRET_MAX	48

struct ktls {
	enum ktls_obstacle	 obstacle;	/* why it can't be done, as far as is known */
	uint64_t		 records[2];	/* under the keys that are in use */
	size_t			 secret_len[2];	/* 0: none yet; TLS 1.2 has none of them */
	uint8_t			 secret[2][KTLS_SECRET_MAX];
};

/*
 * Watches the handshake and all records of the one connection that will be
 * made from the context. Why is what is known to be against it already: then
 * nothing is watched and no secret is kept.
 */
void	ktls_watch(struct ktls *, SSL_CTX *, enum ktls_obstacle obstacle);

/*
 * Derives the keys that are in use, indexed by direction; the next record has
 * the number that is in records. False if it can't be done, or if a secret is
 * missing or not one. The caller wipes them.
 */
bool	ktls_derive(const struct ktls *, const SSL *, struct traffickeys keys[2]);

/*
 * Gives both directions to the kernel. OBSTACLE_NONE: it is done, and the
 * connection is one in cleartext for this process. Anything else: nothing
 * has changed. Dies if only half of it could be done, as there is no way back.
 * In any case the secrets are forgotten.
 */
enum ktls_obstacle	ktls_switch(struct ktls *, struct conn *);

/* Wipes the secrets; nothing can be switched any more. */
void	ktls_forget(struct ktls *);

#endif
