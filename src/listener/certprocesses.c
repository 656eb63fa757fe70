/*
 * Starts gate zygote and signer, see certprocesses.h. Run by the listener, as root.
 */

#include "listener/certprocesses.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "role.h"

bool
certprocesses_start(struct cert_processes *c, const struct options *o, const struct signals *signals, uint32_t first)
{
	int signing[2] = { -1, -1 };
	bool started;

	*c = (struct cert_processes){ .gate_zygote = { .control = -1 }, .signer = { .control = -1 }, .until = clock_ms() + PROCESS_READY_MS };
	fileid_get_all(c->fileids, o);
	if (o->n_cert > 0 && msg_pair(signing) == -1)
		return false;
	started = (o->n_cert == 0 || process_start(&c->signer, ROLE_SIGNER, signing[1], first + 1, signals)) &&
	    process_start(&c->gate_zygote, ROLE_GATE_ZYGOTE, signing[0], first, signals);
	if (signing[0] != -1) {
		close(signing[0]);
		close(signing[1]);
	}
	if (!started) {
		process_close(&c->gate_zygote);
		process_close(&c->signer);
	}
	return started;
}

bool
certprocesses_are_ready(const struct cert_processes *c, const struct options *o)
{
	return c->gate_zygote.ready && (o->n_cert == 0 || c->signer.ready);
}

bool
certprocesses_are_outdated(const struct cert_processes *c, const struct options *o)
{
	struct fileid fileids[2 * OPTIONS_CERTS_MAX];

	fileid_get_all(fileids, o);
	return memcmp(fileids, c->fileids, 2 * o->n_cert * sizeof(fileids[0])) != 0;
}

void
certprocesses_log_failure(const char *file, const char *reason)
{
	struct log_line line;

	log_begin(&line, LOG_ERR, "certificate-fail");
	if (file[0] != '\0')
		log_text(&line, "file", file);
	log_text(&line, "reason", reason);
	log_write(&line);
}

void
certprocesses_log_renewal(const struct cert_processes *c)
{
	struct log_line line;

	log_begin(&line, LOG_INFO, "certificates-renewed");
	log_field(&line, "usable", "%u", c->usable);
	log_write(&line);
}
