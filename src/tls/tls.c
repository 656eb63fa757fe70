/*
 * The TLS server's context, see tls.h. Run before there is a client: by the gate zygote, by the
 * monitor of a superserver, or by --check, as root. Reads public files only.
 */

#include "tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "base/openssl.h"
#include "tls/certfile.h"
#include "tls/clientca.h"
#include "tls/pemfile.h"
#include "tls/publickey.h"
#include "tls/remotekey.h"
#include "tls/tlssettings.h"

/* A full handshake over a BIO pair takes three rounds; a HelloRetryRequest adds one. */
#define HANDSHAKE_STEPS	10

/* "imap" after its length (RFC 7301, 3.1; registered by IANA). */
static const unsigned char alpn_imap[] = { 4, 'i', 'm', 'a', 'p' };

/*
 * Refuses a client that offers ALPN without "imap", which may be a cross-protocol attack (RFC 9325,
 * 3.8; RFC 7301, 3.2).
 */
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

static void
apply_policy(SSL_CTX *ctx)
{
	/*
	 * No resumption: each connection has a process of its own, without shared tickets or
	 * cache (RFC 9325, 3.4).
	 */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF |
	    SSL_OP_CLEANSE_PLAINTEXT);
	/*
	 * No SSL_MODE_RELEASE_BUFFERS: unused pages of a buffer take no memory, but wiping it on
	 * release (openssl.c) would touch all of them.
	 */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}

static X509 *
read_certificate(BIO *pem)
{
	X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);

	/* PEM_R_NO_START_LINE is the end of the file, not an error. */
	if (cert == NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	return cert;
}

/* Signs by the callback that is set at this time (a remotekey_sign). */
static size_t
sign_by_callback(void *arg, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size)
{
	const struct tls *t = arg;

	return t->callbacks->sign(arg, index, scheme, tbs, len, signature, size);
}

/* Parses a certificate and its chain, and makes its remote key. Returns NULL or an error text. */
static const char *
parse_certificate(struct tls *t, struct tls_certificate *c, BIO *pem, uint32_t index)
{
	const char *explanation;
	X509 *issuer;

	c->index = index;
	c->cert = read_certificate(pem);
	c->chain = sk_X509_new_null();
	if (c->cert != NULL)
		while ((issuer = read_certificate(pem)) != NULL)
			sk_X509_push(c->chain, issuer);
	explanation = c->cert == NULL || ERR_peek_error() != 0 ? pemfile_explain_file(PEMFILE_CERTIFICATE, t->opts->cert[index]) : NULL;
	if (explanation != NULL)
		return explanation;
	if (c->cert == NULL || c->chain == NULL)
		return "no certificate in the file";
	if (ERR_peek_error() != 0)
		return "a certificate of the chain can't be read";
	c->key = remotekey_new(X509_get0_pubkey(c->cert), index, sign_by_callback, t);
	if (c->key == NULL || !publickey_digest(X509_get0_pubkey(c->cert), c->key_digest))
		return "its type of public key is not supported";
	return NULL;
}

static void
free_certificate(struct tls_certificate *c)
{
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
	sk_X509_pop_free(c->chain, X509_free);
	memset(c, 0, sizeof(*c));
	ERR_clear_error();
}

/*
 * Loads one certificate. Reports a malformed file, perhaps half renewed; other certificates still
 * work.
 */
static void
load_certificate(struct tls *t, uint32_t i)
{
	struct tls_certificate *c = &t->certificate[t->certificates];
	const char *error;
	BIO *pem;

	if (access(t->opts->key[i], R_OK) == -1) {
		t->callbacks->report_error(t->opts->key[i], strerror(errno));
		return;
	}
	pem = certfile_read(t->opts->cert[i], CERTFILE_CHAIN_MAX);
	if (pem == NULL) {
		t->callbacks->report_error(t->opts->cert[i], strerror(errno));
		return;
	}
	t->possible = true;
	error = parse_certificate(t, c, pem, i);
	BIO_free(pem);
	if (error == NULL) {
		t->certificates++;
		return;
	}
	t->callbacks->report_error(t->opts->cert[i], error);
	free_certificate(c);
}

static const char *
certificate_error(const struct tls *t, const struct tls_certificate *c)
{
	return tls_certificate_error(t->ctx, c->cert, c->key, c->chain);
}

static const char *
key_error(const struct tls *t, const struct tls_certificate *c)
{
	return t->callbacks->has_key(c->index, c->key_digest) ? NULL : "its private key can't be used";
}

/* Drops certificates for which find_error returns an error, and reports each. */
static void
drop_certificates(struct tls *t, const char *(*find_error)(const struct tls *, const struct tls_certificate *))
{
	size_t i, kept = 0;
	const char *error;

	for (i = 0; i < t->certificates; i++) {
		struct tls_certificate *c = &t->certificate[i];

		error = find_error(t, c);
		if (error == NULL) {
			t->certificate[kept++] = *c;
			continue;
		}
		t->callbacks->report_error(t->opts->cert[c->index], error);
		free_certificate(c);
	}
	t->certificates = kept;
}

/*
 * Gives the connection all certificates for this name, the first of each type of key. Returns
 * their number.
 */
static int
use_certificates_for(SSL *ssl, const struct tls *t, const char *name)
{
	bool used[3] = { false, false, false };		/* RSA, EC, Ed25519 */
	int n = 0;
	size_t i;

	for (i = 0; i < t->certificates; i++) {
		const struct tls_certificate *c = &t->certificate[i];
		bool *type_used = &used[EVP_PKEY_is_a(c->key, "RSA") ? 0 : EVP_PKEY_is_a(c->key, "EC") ? 1 : 2];

		if (*type_used || X509_check_host(c->cert, name, 0, 0, NULL) != 1)
			continue;
		*type_used = SSL_use_cert_and_key(ssl, c->cert, c->key, c->chain, 1) == 1;
		n += *type_used;
	}
	return n;
}

/* Copies the certificate's first DNS name, to find other certificates for the same name. */
static void
copy_dns_name(X509 *cert, char *name, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int i;

	name[0] = '\0';
	for (i = 0; i < sk_GENERAL_NAME_num(names) && name[0] == '\0'; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_DNS)
			snprintf(name, size, "%.*s", ASN1_STRING_length(n->d.dNSName), (const char *)ASN1_STRING_get0_data(n->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	/* X509_check_host(3) does not match a wildcard as a name: replace it with some host. */
	if (name[0] == '*')
		name[0] = 'x';
}

/*
 * Chooses certificates by SNI after the ClientHello (SSL_CTX_set_cert_cb(3)). For an unknown name
 * chooses those with a name of the first certificate.
 */
static int
choose_certificate(SSL *ssl, void *arg)
{
	const struct tls *t = arg;
	const struct tls_certificate *first = &t->certificate[0];
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[256];

	SSL_certs_clear(ssl);
	if (sni != NULL && use_certificates_for(ssl, t, sni) > 0)
		return 1;
	copy_dns_name(first->cert, name, sizeof(name));
	if (name[0] != '\0' && use_certificates_for(ssl, t, name) > 0)
		return 1;
	return SSL_use_cert_and_key(ssl, first->cert, first->key, first->chain, 1);
}

/* Puts a single certificate into the context, so that no connection needs to choose. */
static void
set_single_certificate(struct tls *t)
{
	const struct tls_certificate *c = &t->certificate[0];

	if (t->certificates != 1)
		return;
	if (SSL_CTX_use_cert_and_key(t->ctx, c->cert, c->key, c->chain, 1) == 1)
		SSL_CTX_set_cert_cb(t->ctx, NULL, NULL);
	/* If it can't be used, each handshake reports why. */
	ERR_clear_error();
}

/*
 * Applies policy and settings to a new context. Returns NULL; or an error text, and sets error_file
 * if it is about one file.
 */
static const char *
configure_context(struct tls *t)
{
	const char *error;

	if (t->ctx == NULL)
		return "out of memory";
	apply_policy(t->ctx);
	error = tls_apply_settings(t->ctx, t->opts);
	if (error != NULL)
		return error;
	SSL_CTX_set_cert_cb(t->ctx, choose_certificate, t);
	return t->opts->client_ca != NULL ? clientca_request(t->ctx, t->opts, &t->error_file) : NULL;
}

/* Records that TLS is not possible. */
static void
give_up_tls(struct tls *t, const char *error)
{
	SSL_CTX_free(t->ctx);
	t->ctx = NULL;
	t->possible = false;
	t->error = error;
}

static const char none_usable[] = "no certificate and private key can be used";

/*
 * Records that no certificate is left, with the file if there is only one. The error of each
 * certificate was reported before.
 */
static void
give_up_certificates(struct tls *t, const char *error)
{
	give_up_tls(t, error);
	t->error_file = t->opts->n_cert == 1 ? t->opts->cert[0] : NULL;
}

void
tls_load(struct tls *t, const struct options *o, const struct tls_callbacks *callbacks)
{
	const char *error;
	uint32_t i;

	memset(t, 0, sizeof(*t));
	t->opts = o;
	t->callbacks = callbacks;
	openssl_begin();
	for (i = 0; i < o->n_cert; i++)
		load_certificate(t, i);
	if (t->certificates == 0) {
		give_up_certificates(t, t->possible ? none_usable : "certificates can't be read");
		return;
	}
	t->ctx = SSL_CTX_new(TLS_server_method());
	error = configure_context(t);
	if (error != NULL) {
		give_up_tls(t, error);
		return;
	}
	drop_certificates(t, certificate_error);
	if (t->certificates == 0)
		give_up_certificates(t, none_usable);
}

const char *
tls_prepare(struct tls *t)
{
	if (t->error != NULL || t->confirmed)
		return t->error;
	drop_certificates(t, key_error);
	t->confirmed = true;
	if (t->certificates == 0)
		give_up_certificates(t, none_usable);
	else
		set_single_certificate(t);
	return t->error;
}

/*
 * Does one step of a handshake on each side. Returns 1 when both have finished, 0 if more steps
 * must follow, -1 on failure.
 */
static int
step_handshake(SSL *client, SSL *server)
{
	SSL *sides[] = { client, server };
	size_t i, finished = 0;

	for (i = 0; i < 2; i++) {
		int done = SSL_do_handshake(sides[i]);

		if (done == 1)
			finished++;
		else if (SSL_get_error(sides[i], done) != SSL_ERROR_WANT_READ)
			return -1;
	}
	return finished == 2;
}

bool
tls_connect_in_memory(SSL *client, SSL *server)
{
	BIO *near = NULL, *far = NULL;
	int i, done = 0;

	if (client == NULL || server == NULL || BIO_new_bio_pair(&near, 0, &far, 0) != 1)
		return false;
	SSL_set_bio(client, near, near);
	SSL_set_bio(server, far, far);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (i = 0; i < HANDSHAKE_STEPS && done == 0; i++)
		done = step_handshake(client, server);
	return done == 1;
}

bool
tls_self_test(const struct tls *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = ctx != NULL ? SSL_new(ctx) : NULL, *server = SSL_new(t->ctx);
	bool works = tls_connect_in_memory(client, server);

	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return works;
}

void
tls_free(struct tls *t)
{
	size_t i;

	for (i = 0; i < t->certificates; i++)
		free_certificate(&t->certificate[i]);
	SSL_CTX_free(t->ctx);
	memset(t, 0, sizeof(*t));
}
