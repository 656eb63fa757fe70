/*
 * The TLS handshake, see handshake.h. Run by the gate, in its sandbox.
 */

#include "gate/handshake.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "gate/ask.h"

static void
log_tls_error(const char *file, const char *error)
{
	struct msg_log log = { .event = EVENT_TLS_FAIL };

	snprintf(log.text, sizeof(log.text), "%s: %s", file, error);
	ask_log(&log);
}

static bool
monitor_has_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN])
{
	char reason[MSG_REASON_MAX];

	return ask_key(index, key_digest, reason);
}

const struct tls_callbacks handshake_callbacks = { monitor_has_key, ask_sign, log_tls_error };

/*
 * Writes the oldest error of OpenSSL's queue, which is the cause: later ones come from calling
 * functions. Writes fallback if the queue is empty.
 */
static void
format_error(char *error, size_t size, const char *fallback)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	snprintf(error, size, "%s", reason != NULL ? reason : fallback);
	ERR_clear_error();
}

enum conn_end
handshake_accept(struct tls *t, struct conn *c, char *error, size_t size)
{
	enum conn_end end;

	end = conn_start_tls(c, t->ctx);
	if (end != CONN_OK)
		format_error(error, size, end == CONN_TIMEOUT ? "deadline" : "client disconnected");
	return end;
}

void
handshake_describe(const struct conn *c, struct msg_tls *tls)
{
	const char *sni;

	memset(tls, 0, sizeof(*tls));
	if (c->ssl == NULL)
		return;
	snprintf(tls->protocol, sizeof(tls->protocol), "%s", SSL_get_version(c->ssl));
	snprintf(tls->cipher, sizeof(tls->cipher), "%s", SSL_get_cipher_name(c->ssl));
	sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
	if (sni != NULL)
		snprintf(tls->sni, sizeof(tls->sni), "%s", sni);
}

bool
handshake_is_own_name(const struct conn *c, const char *host)
{
	X509 *cert = c->ssl != NULL ? SSL_get_certificate(c->ssl) : NULL;

	return cert != NULL && X509_check_host(cert, host, 0, 0, NULL) == 1;
}
