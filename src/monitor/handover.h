#ifndef IMAPGATE_MONITOR_HANDOVER_H
#define IMAPGATE_MONITOR_HANDOVER_H

/* From the login to the mailbox program: keepers stay where they are wanted, and this process becomes the user's. */

#include <stdint.h>

#include "boundary/msg.h"
#include "monitor/admission.h"
#include "monitor/client.h"
#include "monitor/monitor.h"

/* A login that was accepted. */
struct handover {
	const struct monitor_start	*start;
	struct admission		*admission;
	struct client			*client;
	uint32_t			 mechanism;	/* enum msg_mechanism */
};

/*
 * Puts on descriptors 0 and 1 what the mailbox program will have. Call it when
 * PAM has done its part. Stream is its end of a relay's stream, -1 for none.
 */
void	handover_show_client(const struct handover *, enum msg_how, int stream);

/*
 * Leaves keepers, and executes the mailbox program; if that fails the client
 * is told, and the process exits. An empty tag is for PREAUTH. Secrets must be gone before.
 */
void	handover_run(const struct handover *, const char *tag, const struct msg_tls *, enum msg_how) __attribute__((noreturn));

#endif
