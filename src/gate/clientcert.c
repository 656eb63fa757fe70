/*
 * Client certificates, see clientcert.h. CA and revocation files are read by the process that
 * loads the certificates (the gate zygote; without a listener, the process that forks the gate),
 * before there is a client; certificates of clients are parsed by the gate in its sandbox.
 *
 * SECURITY: every check here fails closed. Other servers have accepted a missing name as any
 * name (CVE-2019-3814), the text before a NUL as the whole name, and the first of two names as
 * the only one.
 */

#include "gate/clientcert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls/certfile.h"
#include "tls/pemfile.h"

/*
 * Adds a certificate's subject to the list of CAs that is sent to clients (RFC 8446, 4.2.4),
 * once. Returns false if there is no memory.
 */
static bool
add_name(STACK_OF(X509_NAME) *names, X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);
	int i;

	for (i = 0; i < sk_X509_NAME_num(names); i++)
		if (X509_NAME_cmp(sk_X509_NAME_value(names, i), name) == 0)
			return true;
	name = X509_NAME_dup(name);
	if (name != NULL && sk_X509_NAME_push(names, name) > 0)
		return true;
	X509_NAME_free(name);
	return false;
}

/*
 * Adds a file's revocation lists to the store, and with names its certificates too. Returns
 * false if the file has no certificate (without names: no revocation list); errno is then 0, or
 * the reason why it can't be read.
 *
 * SECURITY: a certificate in a file of revocation lists must not become a CA.
 */
static bool
load_file(X509_STORE *store, const char *path, STACK_OF(X509_NAME) *names)
{
	BIO *pem = certfile_read(path, CERTFILE_LIST_MAX);
	int error = pem == NULL ? errno : 0, found = 0, i;
	STACK_OF(X509_INFO) *all = pem != NULL ? PEM_X509_INFO_read_bio(pem, NULL, NULL, NULL) : NULL;
	bool ok = true;

	for (i = 0; ok && i < sk_X509_INFO_num(all); i++) {
		const X509_INFO *info = sk_X509_INFO_value(all, i);

		if (info->crl != NULL)
			ok = X509_STORE_add_crl(store, info->crl) == 1;
		if (ok && names != NULL && info->x509 != NULL)
			ok = X509_STORE_add_cert(store, info->x509) == 1 && add_name(names, info->x509);
		found += names != NULL ? info->x509 != NULL : info->crl != NULL;
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(pem);
	errno = error;
	return ok && found > 0;
}

/*
 * Returns an error text for a file that can't be used, and sets wrong_file. Uses errno if it is
 * not 0.
 */
static const char *
explain(const char *option, enum pemfile_kind kind, const char *file, const char **wrong_file)
{
	static char words[512];
	const char *reason = errno != 0 ? strerror(errno) : pemfile_explain_file(kind, file);

	if (reason == NULL)
		reason = ERR_reason_error_string(ERR_peek_error());
	snprintf(words, sizeof(words), "%s %.300s can't be used: %s", option, file, reason != NULL ? reason : "nothing of that kind is in it");
	*wrong_file = file;
	return words;
}

const char *
clientcert_require(SSL_CTX *ctx, const struct options *o, const char **wrong_file)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	/* The context owns the list from here on. */
	SSL_CTX_set_client_CA_list(ctx, names);
	errno = 0;
	if (names == NULL || !load_file(store, o->client_ca, names))
		return explain("--client-ca", PEMFILE_CERTIFICATE, o->client_ca, wrong_file);
	if (o->client_crl != NULL) {
		if (!load_file(store, o->client_crl, NULL))
			return explain("--client-crl", PEMFILE_REVOCATIONS, o->client_crl, wrong_file);
		/*
		 * Check intermediate CAs too: the key of a revoked one can issue certificates
		 * for any user.
		 */
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	/*
	 * A client may send no certificate; one that does not verify ends the handshake. OpenSSL
	 * sets the purpose (sslclient).
	 */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return NULL;
}

/*
 * Copies a name to user and counts it. A malformed one counts as two, so that the certificate
 * names no user.
 */
static void
take_name(const ASN1_STRING *value, char user[MSG_NAME_MAX], int *names)
{
	unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, value);

	if (len <= 0 || msg_text(user, MSG_NAME_MAX, (char *)utf8, (size_t)len) == -1)
		*names += 2;
	else
		*names += 1;
	OPENSSL_free(utf8);
}

static void
names_of_subject(X509 *cert, char user[MSG_NAME_MAX], int *names)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int i = -1;

	while ((i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0)
		take_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)), user, names);
}

static void
names_of_alternatives(X509 *cert, enum cert_user field, char user[MSG_NAME_MAX], int *names)
{
	GENERAL_NAMES *alternatives = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int i;

	for (i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);

		if (field == CERT_USER_EMAIL && name->type == GEN_EMAIL)
			take_name(name->d.rfc822Name, user, names);
		if (field == CERT_USER_UPN && name->type == GEN_OTHERNAME && OBJ_obj2nid(name->d.otherName->type_id) == NID_ms_upn) {
			if (name->d.otherName->value->type == V_ASN1_UTF8STRING)
				take_name(name->d.otherName->value->value.utf8string, user, names);
			else
				*names += 2;
		}
	}
	GENERAL_NAMES_free(alternatives);
}

bool
clientcert_user(SSL *ssl, enum cert_user field, char user[MSG_NAME_MAX])
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	int names = 0;

	memset(user, 0, MSG_NAME_MAX);
	/*
	 * The result is X509_V_OK also if the client sent no certificate
	 * (SSL_get_verify_result(3)).
	 */
	if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	if (field == CERT_USER_CN)
		names_of_subject(cert, user, &names);
	else
		names_of_alternatives(cert, field, user, &names);
	ERR_clear_error();
	if (names == 1)
		return true;
	memset(user, 0, MSG_NAME_MAX);
	return false;
}
