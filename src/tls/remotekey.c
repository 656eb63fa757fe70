/*
 * A provider for private keys in another process. Run by the gate and the gate zygote; called by
 * OpenSSL only. The process holds nothing secret: a key is a public key and an index.
 *
 * Signatures are made in one step (EVP_DigestSign(3)), like in libssl, because the signer must see
 * the message and not its digest. The digest, padding and salt that OpenSSL asks for are mapped
 * to the one TLS SignatureScheme that has them; others are refused.
 *
 * To sign, OpenSSL first tries to export the key to its default provider. key_export() refuses, so
 * OpenSSL signs with this provider.
 */

#include "tls/remotekey.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* For parameters that OpenSSL's function types prescribe. */
#define UNUSED		__attribute__((unused))

#define PROVIDER	"imapgate"
#define PROPERTIES	"provider=" PROVIDER

/* Parameter by which remotekey_new() passes a struct key to key_import(); a name of our own. */
#define PARAM_ORIGIN	"imapgate-origin"

enum key_type { TYPE_RSA, TYPE_EC, TYPE_ED25519, KEY_TYPES };

/* OpenSSL's names of the types. */
static const char *const type_name[KEY_TYPES] = { "RSA", "EC", "ED25519" };

/* OpenSSL's "keydata". */
struct key {
	enum key_type	type;
	EVP_PKEY	*public_key;	/* in OpenSSL's default provider */
	uint32_t	index;
	remotekey_sign	*sign;		/* NULL: a public key that OpenSSL imported to compare it */
	void		*arg;
};

/* Digests that TLS signs with, and the SignatureSchemes that use them (RFC 8446, 4.2.3). */
struct digest {
	const char	*name[3];	/* OpenSSL uses all of them */
	uint32_t	pkcs1;
	uint32_t	pss;		/* rsa_pss_rsae_*: for a plain RSA key */
	uint32_t	ecdsa;		/* TLS 1.3 also fixes the curve; the signer checks that */
};

static const struct digest digests[] = {
	{ { "SHA256", "SHA2-256", "SHA-256" }, 0x0401, 0x0804, 0x0403 },
	{ { "SHA384", "SHA2-384", "SHA-384" }, 0x0501, 0x0805, 0x0503 },
	{ { "SHA512", "SHA2-512", "SHA-512" }, 0x0601, 0x0806, 0x0603 },
};

#define SCHEME_ED25519	0x0807

/* One signature in progress: OpenSSL's "algctx". */
struct signing {
	const struct key	*key;		/* OpenSSL keeps it at least as long */
	const struct digest	*digest;	/* NULL for Ed25519 */
	bool			pss;		/* else PKCS#1; RSA only */
};

/* Declared with OpenSSL's types: the casts in the tables below would hide a mismatch. */
static OSSL_FUNC_keymgmt_new_fn			key_new;
static OSSL_FUNC_keymgmt_free_fn		key_free;
static OSSL_FUNC_keymgmt_has_fn			key_has;
static OSSL_FUNC_keymgmt_match_fn		key_match;
static OSSL_FUNC_keymgmt_get_params_fn		key_get_params;
static OSSL_FUNC_keymgmt_gettable_params_fn	key_gettable_params;
static OSSL_FUNC_keymgmt_import_fn		key_import;
static OSSL_FUNC_keymgmt_export_fn		key_export;
static OSSL_FUNC_keymgmt_import_types_fn	key_exchange_types;
static OSSL_FUNC_keymgmt_query_operation_name_fn key_operation_ec;
static OSSL_FUNC_signature_newctx_fn		signing_new;
static OSSL_FUNC_signature_freectx_fn		signing_free;
static OSSL_FUNC_signature_digest_sign_init_fn	signing_init;
static OSSL_FUNC_signature_digest_sign_fn	signing_sign;
static OSSL_FUNC_signature_set_ctx_params_fn	signing_set_params;
static OSSL_FUNC_signature_settable_ctx_params_fn signing_settable_params;
static OSSL_FUNC_provider_query_operation_fn	provider_query;
static OSSL_provider_init_fn			provider_init;

/* Puts an error on OpenSSL's queue. Returns 0, which means failure to OpenSSL. */
static int
raise_error(const char *reason)
{
	ERR_raise_data(ERR_LIB_PROV, ERR_R_OPERATION_FAIL, "%s", reason);
	return 0;
}

/* Keys: provider-keymgmt(7). */

static void *
key_new(void *provider UNUSED)
{
	return OPENSSL_zalloc(sizeof(struct key));
}

static void
key_free(void *keydata)
{
	struct key *key = keydata;

	if (key == NULL)
		return;
	EVP_PKEY_free(key->public_key);
	OPENSSL_free(key);
}

/* Returns whether the key has the selected parts. The private key of another process counts. */
static int
key_has(const void *keydata, int selection)
{
	const struct key *key = keydata;

	if (key == NULL || key->public_key == NULL)
		return 0;
	return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || key->sign != NULL;
}

/* Compares the public keys. */
static int
key_match(const void *keydata1, const void *keydata2, int selection)
{
	const struct key *a = keydata1, *b = keydata2;

	if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0)
		return EVP_PKEY_parameters_eq(a->public_key, b->public_key) == 1;
	return EVP_PKEY_eq(a->public_key, b->public_key) == 1;
}

/* Gets size, strength, curve and default digest of the public key. */
static int
key_get_params(void *keydata, OSSL_PARAM params[])
{
	const struct key *key = keydata;

	return EVP_PKEY_get_params(key->public_key, params);
}

/* Parameters of a public key that OpenSSL may query, import and export. */
static const OSSL_PARAM key_params[] = {
	OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	OSSL_PARAM_END
};

static const OSSL_PARAM *
key_gettable_params(void *provider UNUSED)
{
	return key_params;
}

static const OSSL_PARAM *
key_exchange_types(int selection UNUSED)
{
	return key_params;
}

/* Copies the struct key of remotekey_new(), with a reference to its public key. */
static int
key_import_origin(struct key *key, const OSSL_PARAM *param)
{
	const struct key *origin = param->data;

	if (param->data_size != sizeof(*origin) || !EVP_PKEY_up_ref(origin->public_key))
		return 0;
	*key = *origin;
	return 1;
}

/* Imports a public key. OpenSSL imports the certificate's key to compare it. */
static int
key_import_public(struct key *key, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *ctx;
	int ok;

	key->type = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_N) != NULL ? TYPE_RSA :
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) != NULL ? TYPE_EC : TYPE_ED25519;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, type_name[key->type], NULL);
	ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key->public_key, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/*
 * SECURITY: never imports a private key. Early releases of OpenSSL 3.0 pass the selection "all"
 * for public keys too, so the parameters are searched for private ones.
 */
static int
key_import(void *keydata, int selection UNUSED, const OSSL_PARAM params[])
{
	const OSSL_PARAM *origin = OSSL_PARAM_locate_const(params, PARAM_ORIGIN);
	struct key *key = keydata;

	if (key->public_key != NULL)
		return 0;
	if (origin != NULL)
		return key_import_origin(key, origin);
	if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY) != NULL ||
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_D) != NULL)
		return raise_error("private keys can't be imported");
	return key_import_public(key, params);
}

/* SECURITY: refuses to export a private key; therefore OpenSSL signs with the functions below. */
static int
key_export(void *keydata, int selection, OSSL_CALLBACK *callback, void *arg)
{
	const struct key *key = keydata;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return raise_error("the private key is in another process");
	return EVP_PKEY_export(key->public_key, selection, callback, arg);
}

/* Returns the name of EC's signature algorithm. For other keys it is the name of the key's type. */
static const char *
key_operation_ec(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* Signatures: provider-signature(7). */

static void *
signing_new(void *provider UNUSED, const char *properties UNUSED)
{
	return OPENSSL_zalloc(sizeof(struct signing));
}

static void
signing_free(void *ctx)
{
	OPENSSL_free(ctx);
}

/* Returns NULL for digests that no SignatureScheme uses (RFC 9155 removed MD5 and SHA-1). */
static const struct digest *
find_digest(const char *name)
{
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		for (size_t n = 0; n < sizeof(digests[i].name) / sizeof(digests[i].name[0]); n++)
			if (strcasecmp(digests[i].name[n], name) == 0)
				return &digests[i];
	return NULL;
}

/* Returns whether a digest parameter is absent or names the digest of the signature. */
static bool
digest_is_consistent(const OSSL_PARAM *p, const struct digest *digest)
{
	return p == NULL || (p->data_type == OSSL_PARAM_UTF8_STRING && p->data != NULL &&
	    digest != NULL && find_digest(p->data) == digest);
}

/* Returns whether a parameter, which OpenSSL passes as a number or as a string, has this value. */
static bool
param_equals(const OSSL_PARAM *p, int number, const char *word)
{
	int n;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		return p->data != NULL && strcmp(p->data, word) == 0;
	return OSSL_PARAM_get_int(p, &n) && n == number;
}

/* RFC 8446, 4.2.3: PSS uses one digest for message and MGF1, and a salt of its length. */
static int
signing_set_params(void *ctx, const OSSL_PARAM params[])
{
	const OSSL_PARAM *padding = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	const OSSL_PARAM *salt = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	struct signing *s = ctx;

	if (!digest_is_consistent(OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST), s->digest) ||
	    !digest_is_consistent(OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST), s->digest))
		return raise_error("the MGF1 digest must be the digest of the signature");
	if (salt != NULL && !param_equals(salt, RSA_PSS_SALTLEN_DIGEST, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST))
		return raise_error("the salt must be as long as the digest");
	if (padding == NULL)
		return 1;
	s->pss = param_equals(padding, RSA_PKCS1_PSS_PADDING, OSSL_PKEY_RSA_PAD_MODE_PSS);
	return s->pss || param_equals(padding, RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) ||
	    raise_error("no TLS SignatureScheme has this padding");
}

static const OSSL_PARAM *
signing_settable_params(void *ctx UNUSED, void *provider UNUSED)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END
	};

	return params;
}

/* libssl also calls this to find out whether a key supports a digest, and then does not sign. */
static int
signing_init(void *ctx, const char *digest, void *keydata, const OSSL_PARAM params[])
{
	struct signing *s = ctx;

	if (keydata != NULL)
		s->key = keydata;
	if (s->key == NULL || s->key->sign == NULL)
		return raise_error("this key can't sign");
	s->digest = digest != NULL ? find_digest(digest) : NULL;
	s->pss = false;

	if (s->key->type == TYPE_ED25519) {
		if (digest != NULL && digest[0] != '\0')
			return raise_error("Ed25519 takes no digest");
	} else if (s->digest == NULL)
		return raise_error("no TLS SignatureScheme has this digest");
	return params == NULL || signing_set_params(s, params);
}

static uint32_t
signing_scheme(const struct signing *s)
{
	if (s->key->type == TYPE_ED25519)
		return SCHEME_ED25519;
	if (s->key->type == TYPE_EC)
		return s->digest->ecdsa;
	return s->pss ? s->digest->pss : s->digest->pkcs1;
}

/* Signs tbs. With signature NULL, as in OpenSSL's first call, only sets len to the size needed. */
static int
signing_sign(void *ctx, unsigned char *signature, size_t *len, size_t size, const unsigned char *tbs, size_t tbs_len)
{
	const struct signing *s = ctx;
	const struct key *key = s->key;
	size_t need = (size_t)EVP_PKEY_get_size(key->public_key);

	if (signature == NULL) {
		*len = need;
		return 1;
	}
	if (size < need)
		return raise_error("no room for the signature");

	*len = key->sign(key->arg, key->index, signing_scheme(s), tbs, tbs_len, signature, size);
	if (*len == 0 || *len > size)
		return raise_error("the signer returned no signature");
	return 1;
}

/* The provider: provider(7). */

#define ENTRY(number, function)	{ OSSL_FUNC_##number, (void (*)(void))function }

#define KEY_ENTRIES \
	ENTRY(KEYMGMT_NEW, key_new), \
	ENTRY(KEYMGMT_FREE, key_free), \
	ENTRY(KEYMGMT_HAS, key_has), \
	ENTRY(KEYMGMT_MATCH, key_match), \
	ENTRY(KEYMGMT_GET_PARAMS, key_get_params), \
	ENTRY(KEYMGMT_GETTABLE_PARAMS, key_gettable_params), \
	ENTRY(KEYMGMT_IMPORT, key_import), \
	ENTRY(KEYMGMT_IMPORT_TYPES, key_exchange_types), \
	ENTRY(KEYMGMT_EXPORT, key_export), \
	ENTRY(KEYMGMT_EXPORT_TYPES, key_exchange_types)

static const OSSL_DISPATCH key_functions[] = {
	KEY_ENTRIES,
	{ 0, NULL }
};

static const OSSL_DISPATCH key_functions_ec[] = {
	KEY_ENTRIES,
	ENTRY(KEYMGMT_QUERY_OPERATION_NAME, key_operation_ec),
	{ 0, NULL }
};

static const OSSL_DISPATCH signing_functions[] = {
	ENTRY(SIGNATURE_NEWCTX, signing_new),
	ENTRY(SIGNATURE_FREECTX, signing_free),
	ENTRY(SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	ENTRY(SIGNATURE_DIGEST_SIGN, signing_sign),
	ENTRY(SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	ENTRY(SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable_params),
	{ 0, NULL }
};

/* The same names as in OpenSSL's own providers: libssl recognizes a key's type by any of them. */
static const OSSL_ALGORITHM keys[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, key_functions, NULL },
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, key_functions_ec, NULL },
	{ "ED25519:1.3.101.112", PROPERTIES, key_functions, NULL },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM signatures[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, signing_functions, NULL },
	{ "ECDSA", PROPERTIES, signing_functions, NULL },
	{ "ED25519:1.3.101.112", PROPERTIES, signing_functions, NULL },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *
provider_query(void *provider UNUSED, int operation, int *no_cache)
{
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *core UNUSED, const OSSL_DISPATCH *in UNUSED, const OSSL_DISPATCH **out,
    void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		ENTRY(PROVIDER_QUERY_OPERATION, provider_query),
		{ 0, NULL }
	};

	*out = functions;
	*provider = NULL;
	return 1;
}

/*
 * Returns a library context with this provider only, the same in each call; NULL on failure. The
 * context is never freed, because keys refer to it.
 */
static OSSL_LIB_CTX *
library_context(void)
{
	static OSSL_LIB_CTX	*cached;
	OSSL_LIB_CTX *ctx;

	if (cached != NULL)
		return cached;
	ctx = OSSL_LIB_CTX_new();
	if (ctx == NULL || !OSSL_PROVIDER_add_builtin(ctx, PROVIDER, provider_init) ||
	    OSSL_PROVIDER_load(ctx, PROVIDER) == NULL) {
		OSSL_LIB_CTX_free(ctx);
		return NULL;
	}
	return cached = ctx;
}

EVP_PKEY *
remotekey_new(EVP_PKEY *public_key, uint32_t index, remotekey_sign *sign, void *arg)
{
	struct key origin = { .public_key = public_key, .index = index, .sign = sign, .arg = arg };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(PARAM_ORIGIN, &origin, sizeof(origin)),
		OSSL_PARAM_construct_end()
	};
	OSSL_LIB_CTX *libctx = library_context();
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	while (origin.type < KEY_TYPES && !EVP_PKEY_is_a(public_key, type_name[origin.type]))
		origin.type++;
	if (origin.type == KEY_TYPES) {
		raise_error("the certificate's key is neither RSA, EC nor Ed25519");
		return NULL;
	}
	/* OpenSSL takes NULL for the default context, which has other keys of this type. */
	if (libctx == NULL)
		return NULL;

	ctx = EVP_PKEY_CTX_new_from_name(libctx, type_name[origin.type], NULL);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}
