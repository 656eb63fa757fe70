/*
 * Checks of TLS, see certificate.h. Run by --check, usually as root; reads files of the
 * administrator. Keys are loaded and compared by the signer's function, settings applied by the
 * gate's.
 */

#include "check/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/openssl.h"
#include "check/finding.h"
#include "signer/sign.h"
#include "tls/certfile.h"
#include "tls/clientca.h"
#include "tls/pemfile.h"
#include "tls/publickey.h"
#include "tls/tls.h"
#include "tls/tlssettings.h"

/* Certificates are usually renewed 30 days before they expire, or a week later at most. */
#define SOON_DAYS	14

static const char *
openssl_error(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason != NULL ? reason : "OpenSSL does not say why";
}

/* --- time */

static void
format_day(char day[16], const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(day, 16, "%Y-%m-%d", &tm) == 0)
		strcpy(day, "no date");
}

/*
 * Checks the validity period, and returns whether it is current. Takes a name for the certificate
 * in findings, "" for the first one of the file.
 */
static bool
check_time(const char *file, const char *which, const ASN1_TIME *from, const ASN1_TIME *until)
{
	int days = 0, seconds = 0;
	char day[16];

	format_day(day, from);
	if (X509_cmp_current_time(from) > 0) {
		finding_report(FINDING_ERROR, file, "%snot valid before %s; is this host's clock right?", which, day);
		return false;
	}
	format_day(day, until);
	if (X509_cmp_current_time(until) < 0) {
		finding_report(FINDING_ERROR, file, "%sexpired on %s: clients will warn; renew it", which, day);
		return false;
	}
	if (ASN1_TIME_diff(&days, &seconds, NULL, until) == 1 && days < SOON_DAYS)
		finding_report(FINDING_WARNING, file, "%sexpires on %s; renew it", which, day);
	return true;
}

/* --- files */

/* Reads certificates or revocation lists without keys. Returns NULL after a finding. */
static BIO *
open_file(const char *file, size_t max)
{
	BIO *bio = certfile_read(file, max);

	if (bio == NULL)
		finding_report(FINDING_ERROR, file, "can't be read: %s", strerror(errno));
	return bio;
}

/*
 * Reports why reading stopped after this number of certificates. Returns true if that was the
 * file's end.
 */
static bool
report_end(const char *file, int certificates)
{
	const char *explanation;
	bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	if (whole && certificates > 0) {
		ERR_clear_error();
		return true;
	}
	explanation = pemfile_explain_file(PEMFILE_CERTIFICATE, file);
	if (!whole)
		finding_report(FINDING_ERROR, file, "certificate %d in it can't be read: %s", certificates + 1, explanation != NULL ? explanation :
		    openssl_error());
	else
		finding_report(FINDING_ERROR, file, "no certificate in it; expected PEM, \"-----BEGIN CERTIFICATE-----\"%s%s", explanation != NULL ?
		    ": " : "", explanation != NULL ? explanation : "");
	ERR_clear_error();
	return false;
}

/* --- one certificate and its chain */

/* Reads a chain. Sets whole to whether the file could be read completely, which TLS needs. */
static STACK_OF(X509) *
read_chain(const char *file, size_t max, bool *whole)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = open_file(file, max);
	X509 *cert;

	while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		sk_X509_push(chain, cert);
	*whole = bio != NULL && report_end(file, sk_X509_num(chain));
	BIO_free(bio);
	return chain;
}

/* Checks for names in subjectAltName, the only ones that clients compare (RFC 9525). */
static void
check_names(const char *file, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char list[512] = "", day[16];
	size_t len = 0;
	int i;

	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS && len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.*s", len > 0 ? ", " : "",
			    ASN1_STRING_length(name->d.dNSName), ASN1_STRING_get0_data(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	format_day(day, X509_get0_notAfter(cert));
	if (len > 0 && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		finding_report(FINDING_OK, file, "for %s", list);
	else if (len > 0)
		finding_report(FINDING_OK, file, "for %s, until %s", list, day);
	else
		finding_report(FINDING_WARNING, file, "no DNS name among its subjectAltNames, the only ones that clients compare; request a new certificate");
}

/*
 * Checks that each certificate is followed by its issuer's (RFC 5246, 7.4.2; many clients still
 * need that).
 */
static void
check_order(const char *file, STACK_OF(X509) *chain)
{
	int i = 1;

	while (i < sk_X509_num(chain) && X509_check_issued(sk_X509_value(chain, i), sk_X509_value(chain, i - 1)) == X509_V_OK)
		i++;
	if (i < sk_X509_num(chain))
		finding_report(FINDING_WARNING, file, "certificate %d in it did not sign the one before; put the server's first, then "
		    "after each one its issuer's", i + 1);
}

/* Returns whether the administrator's own CA signed the certificate, which is no fault. */
static bool
is_self_signed(int error)
{
	return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

static const char *
trust_advice(int error)
{
	switch (error) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "each client must be told to trust it";
	case X509_V_ERR_INVALID_PURPOSE:
		return "it is not for servers";
	default:
		return "append its issuer's certificates to the file";
	}
}

/* Checks whether a client with this host's CAs would accept the chain. */
static void
check_trust(const char *file, STACK_OF(X509) *chain)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error;

	X509_STORE_set_default_paths(store);
	X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain);
	X509_STORE_CTX_set_default(ctx, "ssl_server");
	/* Validity was checked before. */
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_NO_CHECK_TIME);
	X509_verify_cert(ctx);
	error = X509_STORE_CTX_get_error(ctx);
	if (error == X509_V_OK)
		finding_report(FINDING_OK, file, "signed by an authority that this host trusts");
	else
		finding_report(is_self_signed(error) ? FINDING_NOTE : FINDING_WARNING, file, "not signed by an authority that this host trusts: %s; %s",
		    X509_verify_cert_error_string(error), trust_advice(error));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
}

/* --- its key */

static void
check_permissions(const char *file)
{
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		finding_report(FINDING_WARNING, file, "the private key can be %s by users other than its owner; chmod 600 it",
		    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "changed" : "read");
}

/* Returns the index of the certificate in the chain that the key belongs to, or -1. */
static int
find_certificate(struct sign_keys *keys, uint32_t index, STACK_OF(X509) *chain)
{
	uint8_t key_digest[MSG_DIGEST_LEN];
	int i;

	for (i = 0; i < sk_X509_num(chain); i++)
		if (publickey_digest(X509_get0_pubkey(sk_X509_value(chain, i)), key_digest) && sign_load_key(keys, index, key_digest) == NULL)
			return i;
	return -1;
}

static bool
check_key(struct sign_keys *keys, uint32_t index, STACK_OF(X509) *chain)
{
	const char *file = keys->opts->key[index], *error = "its kind of public key can't be used";
	uint8_t key_digest[MSG_DIGEST_LEN];
	int other;

	if (publickey_digest(X509_get0_pubkey(sk_X509_value(chain, 0)), key_digest))
		error = sign_load_key(keys, index, key_digest);
	if (error == NULL) {
		finding_report(FINDING_OK, file, "the private key of the certificate");
		check_permissions(file);
		return true;
	}
	other = keys->key[index] != NULL ? find_certificate(keys, index, chain) : -1;
	if (file == keys->opts->cert[index] && keys->key[index] == NULL)
		finding_report(FINDING_ERROR, file, "%s; give the key's file with --key", error);
	else if (other > 0)
		finding_report(FINDING_ERROR, file, "the private key of certificate %d in %s; the server's must be the first in it", other + 1,
		    keys->opts->cert[index]);
	else
		finding_report(FINDING_ERROR, file, "can't be used for %s: %s", keys->opts->cert[index], error);
	return false;
}

/* Checks the key of an unreadable certificate: the key may be missing too. */
static void
check_lone_key(struct sign_keys *keys, uint32_t index)
{
	const char *file = keys->opts->key[index], *error = sign_load_key(keys, index, (const uint8_t[MSG_DIGEST_LEN]){ 0 });

	if (keys->key[index] == NULL && file != keys->opts->cert[index])
		finding_report(FINDING_ERROR, file, "can't be used: %s", error);
}

/* --- TLS */

/* Makes the gate's context. Returns NULL after a finding, or with authorities_error set. */
static SSL_CTX *
make_context(const struct options *o, const char **authorities_error)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	const char *error = "out of memory", *reason, *file;

	ERR_clear_error();
	if (ctx != NULL)
		error = tls_apply_settings(ctx, o);
	reason = error != NULL && ERR_peek_error() != 0 ? openssl_error() : NULL;
	if (error != NULL)
		finding_report(FINDING_ERROR, "TLS settings", "%s%s%s", error, reason != NULL ? ": " : "", reason != NULL ? reason : "");
	else if (o->client_ca != NULL)
		*authorities_error = error = clientca_request(ctx, o, &file);
	if (error == NULL)
		return ctx;
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

/*
 * Tries a handshake in memory. Only that finds settings that leave nothing in common with a
 * client.
 */
static bool
check_handshake(SSL_CTX *ctx, const char *file, STACK_OF(X509) *chain, EVP_PKEY *key)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(client_ctx), *server = SSL_new(ctx);
	X509 *cert = sk_X509_shift(chain);
	const char *error = tls_certificate_error(ctx, cert, key, chain);
	bool works;

	SSL_use_cert_and_key(server, cert, key, chain, 1);
	sk_X509_unshift(chain, cert);
	works = tls_connect_in_memory(client, server);
	if (error != NULL)
		finding_report(FINDING_ERROR, file, "%s", error);
	else if (works)
		finding_report(FINDING_OK, file, "a handshake with it gives %s, %s", SSL_get_version(server), SSL_get_cipher_name(server));
	else
		finding_report(FINDING_ERROR, file, "a handshake with it fails: %s; check --tls", openssl_error());
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	return works;
}

/* Checks one certificate; without the handshake if ctx is NULL, which was reported before. */
static bool
check_certificate(struct sign_keys *keys, uint32_t index, SSL_CTX *ctx)
{
	const char *file = keys->opts->cert[index];
	char which[32] = "";
	bool whole;
	STACK_OF(X509) *chain = read_chain(file, CERTFILE_CHAIN_MAX, &whole);
	bool good = sk_X509_num(chain) > 0;
	X509 *cert;
	int i;

	if (good) {
		check_names(file, sk_X509_value(chain, 0));
		check_order(file, chain);
		check_trust(file, chain);
		good = check_key(keys, index, chain);
	} else
		check_lone_key(keys, index);
	for (i = 0; i < sk_X509_num(chain); i++) {
		cert = sk_X509_value(chain, i);
		if (i > 0)
			snprintf(which, sizeof(which), "certificate %d in it: ", i + 1);
		/* The gate uses the certificate nevertheless. */
		check_time(file, which, X509_get0_notBefore(cert), X509_get0_notAfter(cert));
	}
	good = good && whole && ctx != NULL && check_handshake(ctx, file, chain, keys->key[index]);
	sk_X509_pop_free(chain, X509_free);
	return good;
}

/* --- the CAs of clients */

static void
check_authorities(const char *file)
{
	bool whole;
	STACK_OF(X509) *chain = read_chain(file, CERTFILE_LIST_MAX, &whole);
	char which[32];
	int i;

	for (i = 0; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);

		snprintf(which, sizeof(which), "authority %d in it: ", i + 1);
		if (check_time(file, which, X509_get0_notBefore(cert), X509_get0_notAfter(cert)) && X509_check_ca(cert) == 0)
			finding_report(FINDING_WARNING, file, "%sit may not sign certificates (basicConstraints)", which);
	}
	if (i > 0)
		finding_report(FINDING_OK, file, "certificates of %d authorities, which let clients in", i);
	sk_X509_pop_free(chain, X509_free);
}

static void
check_revocations(const char *file)
{
	BIO *bio = open_file(file, CERTFILE_LIST_MAX);
	X509_CRL *crl = bio != NULL ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
	const char *explanation = pemfile_explain_file(PEMFILE_REVOCATIONS, file);
	const ASN1_TIME *next;
	char day[16];

	if (bio != NULL && crl == NULL)
		finding_report(FINDING_ERROR, file, "no revocation list in it can be read: %s", explanation != NULL ? explanation : openssl_error());
	for (; crl != NULL; crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) {
		next = X509_CRL_get0_nextUpdate(crl);
		format_day(day, next != NULL ? next : X509_CRL_get0_lastUpdate(crl));
		if (next != NULL && X509_cmp_current_time(next) < 0)
			finding_report(FINDING_ERROR, file, "out of date since %s: all clients with a certificate are refused; fetch a new one", day);
		else
			finding_report(FINDING_OK, file, "revocation list of %s", day);
		X509_CRL_free(crl);
	}
	ERR_clear_error();
	BIO_free(bio);
}

bool
certificate_check(const struct options *o)
{
	struct sign_keys keys = { .opts = o };
	const char *authorities_error = NULL;
	bool possible = false;
	SSL_CTX *ctx;
	uint32_t i;

	if (o->n_cert == 0)
		return false;
	openssl_begin();
	ctx = make_context(o, &authorities_error);
	for (i = 0; i < o->n_cert; i++)
		possible |= check_certificate(&keys, i, ctx);
	if (o->client_ca != NULL)
		check_authorities(o->client_ca);
	if (o->client_crl != NULL)
		check_revocations(o->client_crl);
	/* Usually one of the files has been reported as the cause. */
	if (authorities_error != NULL && finding_worst() != FINDING_ERROR)
		finding_report(FINDING_ERROR, "TLS settings", "%s", authorities_error);
	SSL_CTX_free(ctx);
	sign_forget(&keys);
	return possible;
}
