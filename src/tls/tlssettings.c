/*
 * Settings of TLS, see tlssettings.h. Run by the process that makes a context, before there is a
 * client, and by --check; usually as root.
 */

#include "tls/tlssettings.h"

#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * TLS 1.3, and TLS 1.2 with forward secrecy and AEAD only (RFC 9325, 4.2.1). RFC 9051, 11.1
 * requires AES128-GCM with ECDHE and RSA.
 */
static const char *const defaults[][2] = {
	{ "MinProtocol", "TLSv1.2" },
	{ "CipherString", "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL" },
};

/*
 * Groups of the key exchange, preferred first. X25519MLKEM768 also protects recorded traffic
 * from later quantum computers.
 */
#define POST_QUANTUM	"X25519MLKEM768"
#define GROUPS		"X25519:P-256:P-384:P-521"

/*
 * Settings of SSL_CONF_cmd(3) that are refused with a reason, because there is another option or
 * they can't work here. OpenSSL accepts or refuses all others.
 */
static const struct refused_setting {
	const char	*name;
	const char	*value;		/* word of the value; NULL: any value */
	bool		 with_client_ca;	/* refused only with --client-ca */
	const char	*reason;
} refused_settings[] = {
	/* SECURITY: the context is in the gate, which must not have a private key. */
	{ "PrivateKey",		NULL,	false,	"use --key" },
	{ "Certificate",	NULL,	false,	"use --cert" },
	{ "ChainCAFile",	NULL,	false,	"put the chain into the file of --cert" },
	{ "ChainCAPath",	NULL,	false,	"put the chain into the file of --cert" },
	{ "VerifyCAFile",	NULL,	false,	"use --client-ca" },
	{ "VerifyCAPath",	NULL,	false,	"use --client-ca" },
	{ "VerifyCAStore",	NULL,	false,	"use --client-ca" },
	{ "ChainCAStore",	NULL,	false,	"put the chain into the file of --cert" },
	{ "RequestCAFile",	NULL,	false,	"use --client-ca" },
	{ "RequestCAPath",	NULL,	false,	"use --client-ca" },
	{ "RequestCAStore",	NULL,	false,	"use --client-ca" },
	{ "ClientCAFile",	NULL,	false,	"use --client-ca" },
	{ "ClientCAPath",	NULL,	false,	"use --client-ca" },
	{ "ClientCAStore",	NULL,	false,	"use --client-ca" },
	{ "VerifyMode",		NULL,	false,	"client certificates are optional, see --client-ca" },
	{ "DHParameters",	NULL,	false,	"only key exchange by elliptic curves is supported" },
	{ "ECDHParameters",	NULL,	false,	"use Groups" },
	{ "ServerInfoFile",	NULL,	false,	"the file would be read in the sandbox" },
	{ "Options",		"KTLS",	false,	"use --ktls" },
	{ "Options",		"Compression", false, "compression reveals the length of secrets (CRIME)" },
	{ "Options",		"UnsafeLegacyRenegotiation", false, "renegotiation is not supported" },
	{ "Options",		"SessionTicket", true,	"a resumed session would not be checked against --client-crl" },
	{ "NumTickets",		NULL,	true,	"a resumed session would not be checked against --client-crl" },
};

/*
 * Returns whether this word is in the list and switched on (SSL_CONF_cmd(3): "-Word" switches
 * off).
 */
static bool
has_option(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list != '\0'; list += strcspn(list, ","), list += *list == ',') {
		list += strspn(list, " +");
		if (strncasecmp(list, word, len) == 0 && strchr(", ", list[len]) != NULL)
			return true;
	}
	return false;
}

static const char *
refused_reason(const struct options *o, const char *name, const char *value)
{
	const struct refused_setting *r;

	for (r = refused_settings; r < refused_settings + sizeof(refused_settings) / sizeof(refused_settings[0]); r++)
		if (strcasecmp(name, r->name) == 0 && (r->value == NULL || has_option(value, r->value)) &&
		    (!r->with_client_ca || o->client_ca != NULL))
			return r->reason;
	return NULL;
}

/*
 * Returns an error text for the first group that the signer does not know, NULL if it knows all.
 * The signer treats a gate that uses an unknown group as compromised.
 */
static const char *
groups_error(const char *list)
{
	static const char *const known[] = { "X25519", "X448", "P-256", "P-384", "P-521", "secp256r1", "secp384r1", "secp521r1", "prime256v1",
		"ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192", "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024",
		"MLKEM512", "MLKEM768", "MLKEM1024", "brainpoolP256r1tls13", "brainpoolP384r1tls13", "brainpoolP512r1tls13" };
	static char error[64];
	size_t i, len;

	for (; *list != '\0'; list += len, list += strspn(list, ":/ ")) {
		list += strspn(list, "?*-");
		len = strcspn(list, ":/ ");
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i]) == len && strncasecmp(known[i], list, len) == 0)
				break;
		if (i < sizeof(known) / sizeof(known[0]))
			continue;
		snprintf(error, sizeof(error), "the signer does not know the group %.*s", (int)(len < 20 ? len : 20), list);
		return error;
	}
	return NULL;
}

/*
 * Returns an error text for versions and ciphers for which the signer does not sign, NULL if there
 * are none: TLS before 1.2, key exchange by RSA or DHE.
 */
static const char *
context_error(SSL_CTX *ctx)
{
	const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
	static char error[128];
	int i, kx;

	if (SSL_CTX_get_min_proto_version(ctx) < TLS1_2_VERSION)
		return "TLS before 1.2 is not supported";
	for (i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(ciphers, i);

		kx = SSL_CIPHER_get_kx_nid(c);
		if (kx == NID_kx_any || (kx == NID_kx_ecdhe && SSL_CIPHER_get_auth_nid(c) != NID_auth_null))
			continue;
		snprintf(error, sizeof(error), "the signer does not sign for the cipher %s", SSL_CIPHER_get_name(c));
		return error;
	}
	return NULL;
}

static bool
is_groups(const char *name)
{
	return strcasecmp(name, "Groups") == 0 || strcasecmp(name, "Curves") == 0;
}

/* Applies one setting of --tls. Returns NULL or an error text. */
static const char *
apply_setting(SSL_CONF_CTX *conf, SSL_CTX *ctx, const struct options *o, const char *setting)
{
	const char *value = strchr(setting, '=') + 1, *reason;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - setting), setting);
	reason = refused_reason(o, name, value);
	if (reason == NULL && is_groups(name))
		reason = groups_error(value);
	if (reason == NULL && SSL_CONF_cmd(conf, name, value) != 2)
		return "OpenSSL refuses the setting";
	return reason != NULL ? reason : context_error(ctx);
}

/* Applies the defaults, without X25519MLKEM768 if OpenSSL (before 3.5) refuses a list with it. */
static void
apply_defaults(SSL_CONF_CTX *conf, SSL_CTX *ctx)
{
	size_t i;

	for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		SSL_CONF_cmd(conf, defaults[i][0], defaults[i][1]);
	if (SSL_CTX_set1_groups_list(ctx, POST_QUANTUM ":" GROUPS) != 1)
		SSL_CTX_set1_groups_list(ctx, GROUPS);
	ERR_clear_error();
}

const char *
tls_apply_settings(SSL_CTX *ctx, const struct options *o)
{
	SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
	static char error[512];
	const char *reason = NULL;
	size_t i;

	if (conf == NULL)
		return "out of memory";
	SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CERTIFICATE | SSL_CONF_FLAG_SHOW_ERRORS);
	SSL_CONF_CTX_set_ssl_ctx(conf, ctx);
	apply_defaults(conf, ctx);
	for (i = 0; i < o->n_tls && reason == NULL; i++) {
		reason = apply_setting(conf, ctx, o, o->tls[i]);
		if (reason != NULL)
			snprintf(error, sizeof(error), "--tls %s can't be used: %s", o->tls[i], reason);
	}
	if (reason == NULL && SSL_CONF_CTX_finish(conf) != 1)
		snprintf(error, sizeof(error), "%s", reason = "--tls can't be used");
	SSL_CONF_CTX_free(conf);
	return reason == NULL ? NULL : error;
}

/* Returns an error text for OpenSSL's reason to refuse a certificate at a security level. */
static const char *
explain_refusal(unsigned long error, int level)
{
	static char text[192];
	const char *reason = ERR_reason_error_string(error);

	if (ERR_GET_REASON(error) == SSL_R_EE_KEY_TOO_SMALL)
		snprintf(text, sizeof(text), "its key is too small for OpenSSL's security level %d; use RSA with 2048 bits or EC P-256", level);
	else if (ERR_GET_REASON(error) == SSL_R_CA_KEY_TOO_SMALL)
		snprintf(text, sizeof(text), "a key in its chain is too small for OpenSSL's security level %d", level);
	else if (ERR_GET_REASON(error) == SSL_R_CA_MD_TOO_WEAK)
		snprintf(text, sizeof(text), "it or its chain is signed with a hash too weak for OpenSSL's security level %d (SHA-1, perhaps)",
		    level);
	else
		snprintf(text, sizeof(text), "OpenSSL refuses it: %s", reason != NULL ? reason : "no reason given");
	return text;
}

const char *
tls_certificate_error(SSL_CTX *ctx, X509 *cert, EVP_PKEY *key, STACK_OF(X509) *chain)
{
	SSL *ssl = SSL_new(ctx);
	const char *error = NULL;

	if (ssl == NULL || SSL_use_cert_and_key(ssl, cert, key, chain, 1) != 1)
		error = explain_refusal(ERR_peek_error(), SSL_CTX_get_security_level(ctx));
	SSL_free(ssl);
	ERR_clear_error();
	return error;
}
