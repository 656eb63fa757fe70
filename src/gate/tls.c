/*
 * The TLS server's context and handshake, see tls.h. Run by the gate: before
 * the sandbox it only reads certificates, which are public.
 */

#include "gate/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gate/ask.h"
#include "gate/remotekey.h"
#include "log.h"

/* A chain of a dozen certificates. */
#define PEM_MAX		(64 * 1024)

/*
 * RFC 9325: TLS 1.2 with forward secrecy and AEAD only (4.2.1), and TLS 1.3.
 * AES128-GCM with ECDHE and RSA is the one that RFC 9051, 11.1 requires.
 */
static const char *const defaults[][2] = {
	{ "MinProtocol", "TLSv1.2" },
	{ "CipherString", "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL" },
	{ "Groups", "X25519:P-256:P-384:P-521" },
};

/* "imap" with its length before it (RFC 7301, 3.1; registered by IANA). */
static const unsigned char alpn_imap[] = { 4, 'i', 'm', 'a', 'p' };

static BIO *
read_file(const char *path)
{
	char buffer[4096];
	BIO *bio = BIO_new(BIO_s_mem());
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = -1;
	size_t total = 0;

	if (fd != -1 && bio != NULL) {
		while ((n = read(fd, buffer, sizeof(buffer))) > 0 && (total += (size_t)n) <= PEM_MAX)
			BIO_write(bio, buffer, (int)n);
		if (n > 0)
			errno = EFBIG;
	}
	if (fd != -1)
		close(fd);
	if (n == 0)
		return bio;
	BIO_free(bio);
	return NULL;
}

/* Does a setting name files? They can only be read before the sandbox is entered. */
static bool
names_files(const struct options *o)
{
	SSL_CONF_CTX *conf;
	bool files = false;
	size_t i;
	int type;

	if (o->tlss == 0)
		return false;
	conf = SSL_CONF_CTX_new();
	SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CERTIFICATE);
	for (i = 0; i < o->tlss; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(o->tls[i], "="), o->tls[i]);
		type = SSL_CONF_cmd_value_type(conf, name);
		files |= type == SSL_CONF_TYPE_FILE || type == SSL_CONF_TYPE_DIR;
	}
	SSL_CONF_CTX_free(conf);
	return files;
}

/* An offer without "imap" is for another protocol, perhaps by trickery (RFC 9325, 3.8; RFC 7301, 3.2). */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
	unsigned char *selected;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&selected, out_len, alpn_imap, sizeof(alpn_imap), in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = selected;
	return SSL_TLSEXT_ERR_OK;
}

static bool
apply_settings(SSL_CTX *ctx, const struct options *o)
{
	SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
	bool applied;
	size_t i;

	if (conf == NULL)
		return false;
	SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CERTIFICATE | SSL_CONF_FLAG_SHOW_ERRORS);
	SSL_CONF_CTX_set_ssl_ctx(conf, ctx);
	applied = true;
	for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]) && applied; i++)
		applied = SSL_CONF_cmd(conf, defaults[i][0], defaults[i][1]) == 2;
	for (i = 0; i < o->tlss && applied; i++) {
		const char *equals = strchr(o->tls[i], '=');
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)(equals - o->tls[i]), o->tls[i]);
		applied = SSL_CONF_cmd(conf, name, equals + 1) == 2;
	}
	applied = applied && SSL_CONF_CTX_finish(conf) == 1;
	SSL_CONF_CTX_free(conf);
	return applied;
}

static void
apply_policy(SSL_CTX *ctx)
{
	/* Each connection has a process of its own: there is nobody to resume a session with (RFC 9325, 3.4). */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}

static X509 *
next_certificate(BIO *pem)
{
	X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);

	/* Behind the last certificate there is "no start line", which is no error. */
	if (cert == NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	return cert;
}

static bool
digest_public_key(X509 *cert, uint8_t spki[MSG_DIGEST])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
	bool digested = len > 0 && EVP_Digest(der, (size_t)len, spki, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return digested;
}

/* A certificate and its chain, with a key that is the monitor's. Returns NULL or what is wrong. */
static const char *
use_certificate(SSL_CTX *ctx, BIO *pem, uint32_t index)
{
	uint8_t spki[MSG_DIGEST];
	X509 *cert = next_certificate(pem), *issuer;
	EVP_PKEY *key;
	bool used;

	if (cert == NULL)
		return "no certificate in the file";
	used = SSL_CTX_use_certificate(ctx, cert) == 1 && digest_public_key(cert, spki);
	key = used ? remotekey_new(X509_get0_pubkey(cert), index, ask_sign, NULL) : NULL;
	X509_free(cert);
	if (key == NULL)
		return "unusable certificate";
	used = SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	if (!used)
		return "unusable public key";
	while ((issuer = next_certificate(pem)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, issuer) != 1)
			return "unusable chain";
	return ask_key(index, spki) ? NULL : "no private key for the certificate";
}

static const char *
fill_context(struct tls *t, SSL_CTX *ctx)
{
	const char *wrong;
	uint32_t i;

	apply_policy(ctx);
	if (!apply_settings(ctx, t->opts))
		return "a --tls setting can't be used";
	for (i = 0; i < t->opts->certs; i++) {
		wrong = use_certificate(ctx, t->pem[i], i);
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

const char *
tls_prepare(struct tls *t)
{
	const char *wrong = "out of memory";
	SSL_CTX *ctx;

	if (t->ctx != NULL)
		return NULL;
	/* openssl.cnf is another program's, and can't be read from here. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx != NULL)
		wrong = fill_context(t, ctx);
	if (wrong == NULL) {
		t->ctx = ctx;
		return NULL;
	}
	SSL_CTX_free(ctx);
	t->possible = false;
	return wrong;
}

void
tls_load(struct tls *t, const struct options *o)
{
	struct msg_log log = { .event = EVENT_TLS_FAIL };
	const char *wrong = NULL;
	size_t i;

	memset(t, 0, sizeof(*t));
	t->opts = o;
	t->possible = o->certs > 0;
	for (i = 0; i < o->certs && wrong == NULL; i++) {
		t->pem[i] = read_file(o->cert[i]);
		if (t->pem[i] == NULL)
			wrong = strerror(errno);
	}
	if (wrong == NULL && t->possible && names_files(o))
		wrong = tls_prepare(t);
	if (wrong == NULL)
		return;
	t->possible = false;
	snprintf(log.text, sizeof(log.text), "%s: %s", i > 0 ? o->cert[i - 1] : "--cert", wrong);
	ask_log(&log);
}

/* The oldest error is the cause; the later ones say who passed it on. */
static void
say_error(char *error, size_t size, const char *otherwise)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	snprintf(error, size, "%s", reason != NULL ? reason : otherwise);
	ERR_clear_error();
}

enum conn_end
tls_accept(struct tls *t, struct conn *c, char *error, size_t size)
{
	enum conn_end end = conn_start_tls(c, t->ctx);

	if (end != CONN_OK)
		say_error(error, size, end == CONN_TIMEOUT ? "deadline" : "client disconnected");
	return end;
}

void
tls_describe(const struct conn *c, struct msg_tls *tls)
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
