/*
 * TLS before there is a client, see listenertls.h. Run by the listener, as
 * root. All that is here is public: certificates, and what OpenSSL makes of
 * them. A private key is the key holder's, and its bytes never are in a
 * process from which others are forked.
 */

#include "listenertls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "monitor/keyholder.h"
#include "monitor/sign.h"
#include "msg.h"
#include "stamp.h"

static struct generation {
	struct tls	*tls;
	pid_t		 keyholder;	/* 0: it has died, and there is none yet in its place */
	int		 service;	/* the socket by which it is asked */
	struct stamp	 stamps[2 * OPTIONS_CERTS];
} now;

static const struct options *opts;
static int first_socket, last_socket;
/* OpenSSL calls us back while a generation is being made. */
static int service = -1;

static bool
has_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST])
{
	char reason[MSG_REASON_MAX];

	if (keyholder_has(service, index, key_digest, reason))
		return true;
	sign_report_key(opts, index, reason);
	return false;
}

static size_t
sign(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	struct msg_sign question = { .index = index, .scheme = scheme, .len = (uint32_t)len };
	struct msg_sign_answer answer;

	(void)arg;
	if (len > sizeof(question.tbs))
		return 0;
	memcpy(question.tbs, tbs, len);
	keyholder_sign(service, &question, &answer);
	if (answer.len > size || answer.len > sizeof(answer.signature))
		return 0;
	memcpy(signature, answer.signature, answer.len);
	return answer.len;
}

static void
complain(const char *file, const char *wrong)
{
	struct log_line line;

	log_begin(&line, LOG_ERR, "certificate-fail");
	if (file != NULL)
		log_text(&line, "file", file);
	log_text(&line, "reason", wrong);
	log_write(&line);
}

static const struct tls_maker maker = { has_key, sign, complain };

static void
stamp_all(struct stamp stamps[2 * OPTIONS_CERTS])
{
	size_t i;

	for (i = 0; i < opts->certs; i++) {
		stamp_take(&stamps[2 * i], opts->cert[i]);
		stamp_take(&stamps[2 * i + 1], opts->key[i]);
	}
}

/* Signals stay blocked in it, as they are here: what ends it is that nobody is left who could ask. */
static bool
start_keyholder(struct generation *g)
{
	int pair[2];

	g->service = -1;
	if (msg_pair(pair) == -1)
		return false;
	g->keyholder = fork();
	if (g->keyholder == 0) {
		close(pair[0]);
		if (now.tls != NULL)
			close(now.service);
		for (int fd = first_socket; fd <= last_socket; fd++)
			close(fd);
		keyholder_run(opts, pair[1]);
	}
	close(pair[1]);
	g->service = pair[0];
	return g->keyholder != -1;
}

static void
drop(struct generation *g)
{
	if (g->tls != NULL)
		tls_free(g->tls);
	free(g->tls);
	if (g->service != -1)
		close(g->service);
}

/* Says nothing against the certificates: processes or descriptors are lacking, and may be there later. */
static const char no_keyholder[] = "the key holder can't be started or asked";

/* Each question to the key holder takes a pair; without one its answer is no. */
static bool
lacks_descriptors(void)
{
	int pair[2];

	if (msg_pair(pair) == -1)
		return true;
	close(pair[0]);
	close(pair[1]);
	return false;
}

/* Where there is one certificate only, what is wrong with TLS has to do with it. */
static const char *
only_file(const char *const files[])
{
	return opts->certs == 1 ? files[0] : NULL;
}

/*
 * Returns NULL, or what is wrong; then there is nothing left of it. The file
 * is the one at fault, NULL for none, or several.
 */
static const char *
make(struct generation *g, const char **file)
{
	const char *wrong = no_keyholder;

	/* The files are read again when they have changed; what this process lacks may be there at any time. */
	memset(g->stamps, 0, sizeof(g->stamps));
	*file = only_file(opts->cert);
	g->tls = calloc(1, sizeof(*g->tls));
	if (start_keyholder(g) && g->tls != NULL) {
		stamp_all(g->stamps);
		service = g->service;
		tls_load(g->tls, opts, &maker);
		wrong = tls_prepare(g->tls);
		*file = g->tls->wrong_file;
		if (wrong == NULL && !tls_self_test(g->tls)) {
			wrong = "a handshake with itself failed";
			*file = opts->cert[g->tls->identity[0].index];
		}
		if (wrong != NULL && lacks_descriptors()) {
			wrong = no_keyholder;
			*file = only_file(opts->cert);
		}
		if (wrong == no_keyholder)
			memset(g->stamps, 0, sizeof(g->stamps));
	}
	if (wrong != NULL)
		drop(g);
	return wrong;
}

static void
use(struct connection_setup *setup, const struct generation *g)
{
	now = *g;
	setup->tls = now.tls;
	setup->keyholder = now.service;
}

void
listenertls_start(struct connection_setup *setup, const struct options *o, int first, int last)
{
	struct generation g;
	const char *wrong, *file;

	opts = o;
	first_socket = first;
	last_socket = last;
	if (o->certs == 0)
		return;
	wrong = make(&g, &file);
	errno = 0;
	log_die_status = wrong == no_keyholder ? EX_TEMPFAIL : EX_CONFIG;
	if (wrong != NULL)
		die("TLS is not possible: %s", wrong);
	log_die_status = EX_TEMPFAIL;
	use(setup, &g);
}

static void
renew(struct connection_setup *setup)
{
	struct generation g, old = now;
	struct log_line line;
	const char *file, *wrong = make(&g, &file);

	if (wrong != NULL) {
		complain(file, wrong);
		memcpy(now.stamps, g.stamps, sizeof(now.stamps));
		return;
	}
	use(setup, &g);
	drop(&old);
	log_begin(&line, LOG_INFO, "certificates-renewed");
	log_field(&line, "usable", "%zu", now.tls->identities);
	log_write(&line);
}

bool
listenertls_refresh(struct connection_setup *setup)
{
	struct stamp stamps[2 * OPTIONS_CERTS];

	if (now.tls == NULL)
		return false;
	stamp_all(stamps);
	if (now.keyholder != 0 && memcmp(stamps, now.stamps, 2 * opts->certs * sizeof(stamps[0])) == 0)
		return false;
	renew(setup);
	return true;
}

bool
listenertls_ended(struct connection_setup *setup, pid_t pid)
{
	if (now.tls == NULL || pid != now.keyholder)
		return false;
	complain(only_file(opts->key), "the key holder has died");
	now.keyholder = 0;
	renew(setup);
	return true;
}
