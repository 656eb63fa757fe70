/*
 * Users of client certificates, see clientcert.h. Run by the gate in its sandbox, on the client's
 * certificate. tls/clientca.h loads the authorities.
 *
 * SECURITY: every check here fails closed. Other servers have accepted a missing name as any
 * name (CVE-2019-3814), the text before a NUL as the whole name, and the first of two names as
 * the only one.
 */

#include "gate/clientcert.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/*
 * Copies a name to user and counts it. A malformed name counts as two, so that the certificate
 * names no user.
 */
static void
store_name(const ASN1_STRING *value, char user[MSG_NAME_MAX], int *names)
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
find_subject_names(X509 *cert, char user[MSG_NAME_MAX], int *names)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int i = -1;

	while ((i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0)
		store_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)), user, names);
}

static void
find_alternative_names(X509 *cert, enum cert_user field, char user[MSG_NAME_MAX], int *names)
{
	GENERAL_NAMES *alternatives = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int i;

	for (i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);

		if (field == CERT_USER_EMAIL && name->type == GEN_EMAIL)
			store_name(name->d.rfc822Name, user, names);
		if (field == CERT_USER_UPN && name->type == GEN_OTHERNAME && OBJ_obj2nid(name->d.otherName->type_id) == NID_ms_upn) {
			if (name->d.otherName->value->type == V_ASN1_UTF8STRING)
				store_name(name->d.otherName->value->value.utf8string, user, names);
			else
				*names += 2;
		}
	}
	GENERAL_NAMES_free(alternatives);
}

bool
clientcert_get_user(SSL *ssl, enum cert_user field, char user[MSG_NAME_MAX])
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
		find_subject_names(cert, user, &names);
	else
		find_alternative_names(cert, field, user, &names);
	ERR_clear_error();
	if (names == 1)
		return true;
	memset(user, 0, MSG_NAME_MAX);
	return false;
}
