#ifndef IMAPGATE_BOUNDARY_SIGN_H
#define IMAPGATE_BOUNDARY_SIGN_H

/*
 * Messages to the process that has the private keys. Under a listener that is the signer: a gate
 * asks on a pair made for its connection, good for one signature, and the gate zygote on a pair
 * of its own. Under a superserver the gate asks its monitor.
 */

#include <stdint.h>

/*
 * TLS 1.3 signs 64 + 33 + 1 + 64 octets at most (RFC 8446, 4.4.3), TLS 1.2 64 + 4 + 133 (RFC
 * 8422, 5.4).
 */
#define MSG_TBS_MAX	256
/* An RSA signature of 8192 bits. */
#define MSG_SIGNATURE_MAX 1024
#define MSG_DIGEST_LEN	32
/* Reason why a private key can't be used, see signer/sign.h. */
#define MSG_REASON_MAX	256

/* MSG_KEY: asks whether the private key of a certificate can be used. */
struct msg_key {
	uint32_t	index;			/* of the certificate, in the order of --cert */
	uint8_t		key_digest[MSG_DIGEST_LEN];	/* of its public key (publickey.h) */
};

struct msg_key_answer {
	uint32_t	held;			/* not 0: the key is held and belongs to the public key */
	/* Reason if it is not held; sent to the gate zygote only, "" to a gate. */
	char		reason[MSG_REASON_MAX];
};

struct msg_sign {
	uint32_t	index;			/* of the key */
	uint32_t	scheme;			/* TLS SignatureScheme, RFC 8446, 4.2.3 */
	uint32_t	len;
	uint8_t		tbs[MSG_TBS_MAX];	/* message to sign, not hashed */
};

struct msg_sign_answer {
	uint32_t	len;			/* 0: no signature */
	uint8_t		signature[MSG_SIGNATURE_MAX];
};

/* MSG_PAIR: one connection's pair. Descriptor: the signer's end. No answer. */
struct msg_pair {
	uint32_t	slot, serial;		/* of the connection, see spawn.h */
};

/* MSG_SIGN_REPORT: reports to the listener that a request was refused or failed. */
struct msg_sign_report {
	uint32_t	slot, serial;
	uint32_t	refused;		/* 0: the key does not work */
	uint32_t	index, scheme, len;	/* of the request */
	char		reason[MSG_REASON_MAX];
};

#endif
