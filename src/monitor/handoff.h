#ifndef IMAPGATE_MONITOR_HANDOFF_H
#define IMAPGATE_MONITOR_HANDOFF_H

/*
 * The handoff of a connection to the mailbox program, after the login: forks the keepers that
 * are needed, and becomes the user.
 */

#include <stdint.h>

#include "boundary/msg.h"
#include "monitor/authorize.h"
#include "monitor/client.h"
#include "monitor/monitor.h"

/* Data of an accepted login. */
struct handoff {
	const struct monitor_start	*start;
	struct authorization		*authorization;
	struct client			*client;
	uint32_t			 mechanism;	/* enum msg_mechanism */
};

/*
 * Puts the mailbox program's input and output on descriptors 0 and 1; stream is its end of a
 * relay's stream, -1: none. Call it after the last call of PAM.
 */
void	handoff_attach_client(const struct handoff *, enum msg_transport, int stream);

/*
 * Forks keepers and executes the mailbox program. If that fails, sends the client a failure
 * reply and exits. tag is empty for PREAUTH. Secrets must have been wiped.
 */
void	handoff_run(const struct handoff *, const char *tag, const struct msg_tls *, enum msg_transport) __attribute__((noreturn));

#endif
