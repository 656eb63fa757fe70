#ifndef IMAPGATE_BOUNDARY_SPAWN_H
#define IMAPGATE_BOUNDARY_SPAWN_H

/*
 * Messages between the listener and a zygote, which forks one process for a connection. A request
 * carries the connection's descriptors. The answer is a process id; that process may have exited
 * before the answer arrives.
 */

#include <stdint.h>

#include "base/peer.h"
#include "boundary/login.h"

#define MSG_KEY_SIZE	32

/*
 * MSG_READY: a zygote or the signer can be used; or, if failed is set, TLS is impossible and the
 * gate zygote exits. The listener also sends it to the signer, as a question that the signer
 * answers with the same message.
 */
struct msg_ready {
	uint32_t	usable;		/* number of usable certificates */
	uint32_t	failed;		/* not 0: TLS is impossible */
	/* Not 0: a resource was missing, and a later attempt may work. */
	uint32_t	later;
	char		file[256];	/* the file with the error; "": none, or several */
	char		reason[256];
};

/* MSG_SPAWN_GATE. Descriptors: the client, the gate's end of its login pair. */
struct msg_spawn_gate {
	uint32_t	slot, serial;	/* of the connection, repeated in the answer */
	uint32_t	tls_on_connect;
	uint32_t	no_ktls;	/* enum ktls_obstacle */
	int64_t		deadline;	/* of the login, clock_ms() */
	struct peer	peer;
};

/*
 * MSG_SPAWN_MONITOR. Descriptors: the client, the monitor's end of its pair (account.h), the
 * listener's end of the login pair. MSG_SPAWN_PEER (--preauth peer, before there is a gate) has no
 * login pair.
 */
struct msg_spawn_monitor {
	uint32_t	slot, serial;
	uint32_t	logs;		/* log lines that the gate has sent */
	int64_t		deadline;
	struct peer	peer;
	char		tls[16];	/* for the log */
	char		cipher[64];
	/* Keys that turn failures and accounts into numbers, see account.h. */
	uint8_t		failure_key[MSG_KEY_SIZE];
	uint8_t		account_key[MSG_KEY_SIZE];
};

struct msg_spawned {
	uint32_t	slot, serial;
	int32_t		pid;		/* -1: fork failed */
	int32_t		error;		/* errno of that failure */
};

#endif
