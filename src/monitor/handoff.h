#ifndef IMAPGATE_MONITOR_HANDOFF_H
#define IMAPGATE_MONITOR_HANDOFF_H

/* From the login to the mailbox program: keepers stay where they are wanted, and this process becomes the user's. */

#include <stdint.h>

#include "boundary/msg.h"
#include "monitor/authorize.h"
#include "monitor/client.h"
#include "monitor/monitor.h"

/* A login that was accepted. */
struct handoff {
	const struct monitor_start	*start;
	struct authorization		*authorization;
	struct client			*client;
	uint32_t			 mechanism;	/* enum msg_mechanism */
};

/*
 * Puts on descriptors 0 and 1 what the mailbox program will have. Call it when
 * PAM has done its part. Stream is its end of a relay's stream, -1 for none.
 */
void	handoff_attach_client(const struct handoff *, enum msg_transport, int stream);

/*
 * Leaves keepers, and executes the mailbox program; if that fails the client
 * is told, and the process exits. An empty tag is for PREAUTH. Secrets must be gone before.
 */
void	handoff_run(const struct handoff *, const char *tag, const struct msg_tls *, enum msg_transport) __attribute__((noreturn));

#endif
