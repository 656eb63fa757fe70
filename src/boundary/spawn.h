#ifndef IMAPGATE_BOUNDARY_SPAWN_H
#define IMAPGATE_BOUNDARY_SPAWN_H

/*
 * What the listener says to the zygotes: fork one process, for this
 * connection. Its descriptors come with the message. The answer, a process
 * id, comes when there is one; that process may have ended before.
 */

#include <stdint.h>

#include "boundary/login.h"
#include "base/peer.h"

#define MSG_KEY_SIZE	32

/* A zygote, or the signer, can be used from now on; or TLS can't be, and the gate zygote ends. */
struct msg_ready {
	uint32_t	usable;		/* how many certificates */
	uint32_t	failed;		/* not 0: TLS is not possible */
	uint32_t	later;		/* not 0: for lack of something that may be there at any time */
	char		file[256];	/* whose fault it is; empty: none's, or several */
	char		reason[256];
};

/* A gate. Descriptors: the client, the gate's end of its login pair. */
struct msg_spawn_gate {
	uint32_t	slot, serial;	/* which connection: it comes back in the answer */
	uint32_t	tls_on_connect;
	uint32_t	no_ktls;	/* enum ktls_obstacle */
	int64_t		deadline;	/* of the login, clock_ms() */
	struct peer	peer;
};

/* A monitor. Descriptors: the client, its end of the pair of account.h, and of the gate's login pair; that is missing with peer_first. */
struct msg_spawn_monitor {
	uint32_t	slot, serial;
	uint32_t	tls_on_connect;
	uint32_t	peer_first;	/* not 0: --preauth peer, before there is a gate */
	uint32_t	logs;		/* lines that the gate has had */
	int64_t		deadline;
	struct peer	peer;
	char		tls[16];	/* for the log */
	char		cipher[64];
	uint8_t		failure_key[MSG_KEY_SIZE];	/* make failures and accounts into numbers, see account.h */
	uint8_t		account_key[MSG_KEY_SIZE];
};

struct msg_spawned {
	uint32_t	slot, serial;
	int32_t		pid;		/* -1: there is none */
	int32_t		error;		/* errno of that */
};

#endif
