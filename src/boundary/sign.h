#ifndef IMAPGATE_BOUNDARY_SIGN_H
#define IMAPGATE_BOUNDARY_SIGN_H

/*
 * What a gate asks who has the private keys: the signer, on a pair that was
 * made for this connection and is good for one signature; with a superserver
 * the monitor. And what the gate zygote says to the signer.
 */

#include <stdint.h>

/* TLS 1.3 signs 64 + 33 + 1 + 64 octets at most, TLS 1.2 64 + 4 + 133 (RFC 8446, 4.4.3; RFC 8422, 5.4). */
#define MSG_TBS_MAX	256
/* An RSA signature of 8192 bits. */
#define MSG_SIGNATURE_MAX 1024
#define MSG_DIGEST	32
/* Words of ours about a private key, see signer/sign.h. */
#define MSG_REASON_MAX	256

/* Is the private key of this certificate there? */
struct msg_key {
	uint32_t	index;			/* of the certificate, in the order of --cert */
	uint8_t		key_digest[MSG_DIGEST];	/* of its public key (publickey.h) */
};

struct msg_key_answer {
	uint32_t	held;			/* not 0: yes, and it fits */
	char		reason[MSG_REASON_MAX];	/* why not, to a zygote; empty to a gate */
};

struct msg_sign {
	uint32_t	index;			/* which key */
	uint32_t	scheme;			/* TLS SignatureScheme, RFC 8446, 4.2.3 */
	uint32_t	len;
	uint8_t		tbs[MSG_TBS_MAX];	/* what is to be signed, not hashed */
};

struct msg_sign_answer {
	uint32_t	len;			/* 0: there is no signature */
	uint8_t		signature[MSG_SIGNATURE_MAX];
};

/* One connection's pair: the descriptor comes with it. No answer. */
struct msg_pair {
	uint32_t	slot, serial;		/* of the connection, see spawn.h */
};

/* A report of the signer to the listener about a connection: its question was refused, or could not be answered. */
struct msg_sign_report {
	uint32_t	slot, serial;
	uint32_t	refused;		/* 0: the key does not work */
	uint32_t	index, scheme, len;	/* of the question */
	char		reason[MSG_REASON_MAX];
};

#endif
