/*
 * Authorities of client certificates, see clientca.h. Run before there is a client by the gate
 * zygote, by a superserver's monitor before it forks the gate, and by --check.
 *
 * SECURITY: everything here fails closed.
 */

#include "tls/clientca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "tls/certfile.h"
#include "tls/pemfile.h"

/*
 * Adds a certificate's subject to the list of CAs that is sent to clients (RFC 8446, 4.2.4), unless
 * it is in the list. Returns false if there is no memory.
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
 * Adds a file's revocation lists to the store; if names is not NULL, adds its certificates too.
 * Returns false if the file can't be read (errno); or, with errno 0, if it has no certificate
 * (names NULL: no revocation list) or an entry that OpenSSL rejects.
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
 * Returns an error text for a file that can't be used, and sets error_file. The reason is taken
 * from errno; if that is 0, from the file, then from OpenSSL's error queue.
 */
static const char *
file_error(const char *option, enum pemfile_kind kind, const char *file, const char **error_file)
{
	static char error[512];
	const char *reason = errno != 0 ? strerror(errno) : pemfile_explain_file(kind, file);

	if (reason == NULL)
		reason = ERR_reason_error_string(ERR_peek_error());
	snprintf(error, sizeof(error), "%s %.300s can't be used: %s", option, file, reason != NULL ? reason : "it contains nothing usable");
	*error_file = file;
	return error;
}

const char *
clientca_request(SSL_CTX *ctx, const struct options *o, const char **error_file)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	/* The context owns the list from here on. */
	SSL_CTX_set_client_CA_list(ctx, names);
	errno = 0;
	if (names == NULL || !load_file(store, o->client_ca, names))
		return file_error("--client-ca", PEMFILE_CERTIFICATE, o->client_ca, error_file);
	if (o->client_crl != NULL) {
		if (!load_file(store, o->client_crl, NULL))
			return file_error("--client-crl", PEMFILE_REVOCATIONS, o->client_crl, error_file);
		/*
		 * Check intermediate CAs too: the key of a revoked one can issue certificates
		 * for any user.
		 */
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	/*
	 * A client may send no certificate; a certificate that does not verify ends the handshake.
	 * OpenSSL sets the purpose (sslclient).
	 */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return NULL;
}
