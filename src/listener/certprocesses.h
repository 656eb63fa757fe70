#ifndef IMAPGATE_LISTENER_CERTPROCESSES_H
#define IMAPGATE_LISTENER_CERTPROCESSES_H

/*
 * Gate zygote and signer of one set of certificates. Only roles.c uses them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/fileid.h"
#include "base/signals.h"
#include "config/options.h"
#include "listener/process.h"

struct cert_processes {
	struct process	gate_zygote, signer;
	struct fileid	fileids[2 * OPTIONS_CERTS_MAX];	/* of the files at the start */
	unsigned	usable;		/* number of certificates that work */
	int64_t		until;		/* deadline of the start, clock_ms(); 0: started */
};

/*
 * Starts the gate zygote and, if there are certificates, the signer. Events of the gate zygote get
 * the index first, those of the signer the next one. Returns false with errno on failure; neither
 * has a pair with the listener then.
 */
bool	certprocesses_start(struct cert_processes *, const struct options *, const struct signals *, uint32_t first);

/* Returns whether gate zygote and signer are ready. Without a signer no gate is forked. */
bool	certprocesses_are_ready(const struct cert_processes *, const struct options *);

/* Returns whether the certificate files have changed since the start. */
bool	certprocesses_are_outdated(const struct cert_processes *, const struct options *);

/* Logs certificate-fail: a renewal has failed. Takes the file at fault, "": none. */
void	certprocesses_log_failure(const char *file, const char *reason);

/* Logs certificates-renewed. */
void	certprocesses_log_renewal(const struct cert_processes *);

#endif
