/*
 * The server's private keys, and signatures with them. Run by the signer in its sandbox, by a
 * superserver's monitor as root, and by --check. Requests come from a gate, which its client may
 * control; nothing is read from the network.
 *
 * SECURITY: a client that controls a gate can obtain a signature, one for each connection. No
 * gate may get anything signed but the server's part of a TLS handshake. So no digest is ever
 * signed, only messages whose form is checked to the last octet.
 */

#include "signer/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/log.h"
#include "base/openssl.h"
#include "tls/pemfile.h"
#include "tls/publickey.h"

/* Limit of a key file in octets. A key with a long chain of certificates takes 20 KB. */
#define FILE_MAX	(256 * 1024)

/* Length of the prefix of the signed content: two randoms in TLS 1.2, 64 spaces in TLS 1.3. */
#define PREFIX_LEN	64

/* TLS SignatureSchemes (RFC 8446, 4.2.3) and their meaning in OpenSSL. */
struct scheme {
	uint32_t	number;
	const char	*type;		/* of the key */
	const char	*digest;	/* NULL: part of the type */
	int		padding;	/* RSA's; 0: another type */
	/* Curve that TLS 1.3 requires; TLS 1.2 allows any (RFC 8446, 4.2.3). */
	const char	*curve;
};

static const struct scheme schemes[] = {
	{ 0x0401, "RSA", "SHA256", RSA_PKCS1_PADDING, NULL },		/* rsa_pkcs1_sha256 */
	{ 0x0501, "RSA", "SHA384", RSA_PKCS1_PADDING, NULL },		/* rsa_pkcs1_sha384 */
	{ 0x0601, "RSA", "SHA512", RSA_PKCS1_PADDING, NULL },		/* rsa_pkcs1_sha512 */
	{ 0x0804, "RSA", "SHA256", RSA_PKCS1_PSS_PADDING, NULL },	/* rsa_pss_rsae_sha256 */
	{ 0x0805, "RSA", "SHA384", RSA_PKCS1_PSS_PADDING, NULL },	/* rsa_pss_rsae_sha384 */
	{ 0x0806, "RSA", "SHA512", RSA_PKCS1_PSS_PADDING, NULL },	/* rsa_pss_rsae_sha512 */
	{ 0x0403, "EC", "SHA256", 0, "prime256v1" },			/* ecdsa_secp256r1_sha256 */
	{ 0x0503, "EC", "SHA384", 0, "secp384r1" },			/* ecdsa_secp384r1_sha384 */
	{ 0x0603, "EC", "SHA512", 0, "secp521r1" },			/* ecdsa_secp521r1_sha512 */
	{ 0x0807, "ED25519", NULL, 0, NULL },				/* ed25519 */
};

/* Groups of TLS 1.2's ECDHE, and the form of their points (RFC 8422, 5.4 and 5.1.1). */
struct group {
	uint16_t	number;
	uint8_t		point;		/* length in octets */
	bool		uncompressed;	/* 4, x, y: the only form allowed (RFC 8422, 5.1.2) */
};

static const struct group groups[] = {
	{ 23, 65, true },	/* secp256r1 */
	{ 24, 97, true },	/* secp384r1 */
	{ 25, 133, true },	/* secp521r1 */
	{ 29, 32, false },	/* x25519 */
	{ 30, 56, false },	/* x448 */
};

/* --- loading */

/* Prevents OpenSSL from asking for a passphrase at the terminal. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* Logs an event about a key file. */
static void
log_file(int priority, const char *event, const char *path, const char *reason)
{
	struct log_line line;

	log_begin(&line, priority, event);
	log_text(&line, "file", path);
	log_text(&line, "reason", reason);
	log_write(&line);
}

/* Opens a key file. Returns its descriptor and size, or -1 and the reason. */
static int
open_file(const char *path, size_t *size, const char **reason)
{
	/* O_NONBLOCK: opening a FIFO must not hold up the login. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		*reason = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		*reason = strerror(EISDIR);
	else if (!S_ISREG(st.st_mode))
		*reason = "not a regular file";
	else if (st.st_size > FILE_MAX)
		*reason = "too large for a key";
	else {
		*size = (size_t)st.st_size;
		return fd;
	}
	if (fd != -1)
		close(fd);
	return -1;
}

/*
 * Reads until size octets are read or the file ends. Returns the number of octets, -1 with errno
 * on an error. SECURITY: pread(2) fails on a socket, so a wrong descriptor can't read a client's
 * input.
 */
static ssize_t
read_all(int fd, uint8_t *buf, size_t size)
{
	unsigned tries = 0;
	size_t len = 0;
	ssize_t n = 1;

	while (len < size && n != 0) {
		n = pread(fd, buf + len, size - len, (off_t)len);
		if (n == -1 && (errno != EINTR || !again(&tries)))
			return -1;
		if (n > 0) {
			len += (size_t)n;
			tries = 0;
		}
	}
	return (ssize_t)len;
}

/*
 * Returns the key type of a PrivateKeyInfo by OpenSSL's name (RFC 5208, 5), NULL if it is not
 * supported.
 */
static const char *
key_type_of_info(const unsigned char *der, long len)
{
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, len);
	const ASN1_OBJECT *algorithm = NULL;
	int nid = NID_undef;

	if (info != NULL && PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) == 1)
		nid = OBJ_obj2nid(algorithm);
	PKCS8_PRIV_KEY_INFO_free(info);
	return nid == NID_rsaEncryption ? "RSA" : nid == NID_X9_62_id_ecPublicKey ? "EC" : nid == NID_ED25519 ? "ED25519" : NULL;
}

/*
 * Decodes a key with the decoder of its type only. Returns NULL if the type is unknown or
 * decoding fails.
 */
static EVP_PKEY *
decode_key(const char *label, const unsigned char *der, long len)
{
	bool info = strcmp(label, PEM_STRING_PKCS8INF) == 0;
	const char *kind = info ? key_type_of_info(der, len) : strcmp(label, PEM_STRING_RSA) == 0 ? "RSA" :
	    strcmp(label, PEM_STRING_ECPRIVATEKEY) == 0 ? "EC" : NULL;
	size_t left = (size_t)len;
	OSSL_DECODER_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (kind == NULL)
		return NULL;
	ctx = OSSL_DECODER_CTX_new_for_pkey(&key, "DER", info ? "PrivateKeyInfo" : "type-specific", kind, EVP_PKEY_KEYPAIR, NULL, NULL);
	if (ctx != NULL && OSSL_DECODER_from_data(ctx, &der, &left) != 1)
		key = NULL;
	OSSL_DECODER_CTX_free(ctx);
	return key;
}

static bool
is_private_key(const char *label)
{
	static const char end[] = "PRIVATE KEY";
	size_t len = strlen(label);

	return len >= strlen(end) && strcmp(label + len - strlen(end), end) == 0;
}

/*
 * Reads the first private key in PEM text, if it is not encrypted. PEM_read_bio_PrivateKey()
 * would try all decoders, which takes three times as long, and in OpenSSL 3.0.2 finds no key
 * after a certificate.
 */
static EVP_PKEY *
read_unencrypted_key(BIO *bio)
{
	char *label, *header;
	unsigned char *der;
	long len;
	EVP_PKEY *key = NULL;
	bool found = false;

	while (!found && PEM_read_bio(bio, &label, &header, &der, &len) == 1) {
		found = is_private_key(label);
		if (found && header[0] == '\0')
			key = decode_key(label, der, len);
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len);
	}
	return key;
}

/* Reads the first private key in PEM text. Returns NULL and the reason if it can't be used. */
static EVP_PKEY *
parse_key(const uint8_t *pem, size_t len, const char **reason)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key = bio != NULL ? read_unencrypted_key(bio) : NULL;

	if (bio != NULL && key == NULL) {
		BIO_reset(bio);
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	}
	BIO_free(bio);
	if (key == NULL) {
		*reason = pemfile_explain(PEMFILE_KEY, (const char *)pem, len);
		if (*reason == NULL)
			*reason = "the file has no private key that can be read without a passphrase";
		return NULL;
	}
	if (!EVP_PKEY_is_a(key, "RSA") && !EVP_PKEY_is_a(key, "EC") && !EVP_PKEY_is_a(key, "ED25519"))
		*reason = "the key is neither RSA, EC nor Ed25519";
	else if (EVP_PKEY_get_size(key) > MSG_SIGNATURE_MAX)
		*reason = "the key is too large";
	else
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* Reads the private key of a file. Returns NULL and the reason on failure. */
static EVP_PKEY *
load_key(const char *path, const char **reason)
{
	size_t size;
	int fd = open_file(path, &size, reason);
	uint8_t *pem;
	ssize_t len = -1;
	EVP_PKEY *key = NULL;

	if (fd == -1)
		return NULL;
	pem = OPENSSL_malloc(size + 1);
	if (pem != NULL)
		len = read_all(fd, pem, size);
	if (len == -1)
		*reason = strerror(errno);
	close(fd);

	if (len != -1)
		key = parse_key(pem, (size_t)len, reason);
	OPENSSL_clear_free(pem, size + 1);
	return key;
}

/* Returns why a key does not belong to a certificate, NULL if it does. */
static const char *
mismatch_error(EVP_PKEY *key, const uint8_t key_digest[MSG_DIGEST_LEN])
{
	uint8_t digest[MSG_DIGEST_LEN];

	if (!publickey_digest(key, digest))
		return "OpenSSL can't compute the public key";
	return memcmp(digest, key_digest, sizeof(digest)) == 0 ? NULL : "the key does not belong to the certificate";
}

const char *
sign_load_key(struct sign_keys *keys, uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN])
{
	const char *reason = NULL;

	openssl_begin();
	/* Tries to load each key once only: in the sandbox no file can be opened. */
	if (keys->key[index] == NULL && keys->failure[index][0] == '\0') {
		keys->key[index] = load_key(keys->opts->key[index], &reason);
		if (keys->key[index] == NULL)
			snprintf(keys->failure[index], MSG_REASON_MAX, "%s", reason);
	}
	reason = keys->failure[index];
	if (keys->key[index] != NULL)
		reason = mismatch_error(keys->key[index], key_digest);
	ERR_clear_error();
	return reason;
}

const char *
sign_answer_key(struct sign_keys *keys, uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN])
{
	const char *reason;
	struct stat st;
	bool loaded;

	if (index >= keys->opts->n_cert)
		return "unknown key number";
	loaded = keys->key[index] != NULL;
	reason = sign_load_key(keys, index, key_digest);
	if (!loaded && keys->key[index] != NULL && stat(keys->opts->key[index], &st) == 0 && (st.st_mode & S_IROTH) != 0)
		log_file(LOG_WARNING, "key-exposed", keys->opts->key[index], "every user of this machine can read the file");
	return reason;
}

void
sign_log_bad_key(const struct options *o, uint32_t index, const char *reason)
{
	log_file(LOG_ERR, "key-fail", index < o->n_cert ? o->key[index] : "", reason);
}

/* --- what may be signed */

/*
 * Returns whether this is the content that TLS 1.3 signs (RFC 8446, 4.4.3): 64 spaces, a text,
 * NUL, and the digest of the handshake by the cipher's hash, SHA-256 or SHA-384.
 */
static bool
is_tls13(const uint8_t *tbs, size_t len)
{
	static const char text[] = "TLS 1.3, server CertificateVerify";	/* includes NUL */
	size_t head = PREFIX_LEN + sizeof(text);

	if (len != head + 32 && len != head + 48)
		return false;
	for (size_t i = 0; i < PREFIX_LEN; i++)
		if (tbs[i] != ' ')
			return false;
	return memcmp(tbs + PREFIX_LEN, text, sizeof(text)) == 0;
}

/*
 * Returns whether this is the content that TLS 1.2 signs (RFC 8422, 5.4): the client's and the
 * server's random, ECCurveType named_curve (3), the curve, and the server's point.
 *
 * SECURITY: the gate chooses both randoms, so they prove nothing. Still no message fits both
 * versions: after the first 64 octets TLS 1.2 has a 3, TLS 1.3 a 'T'. Nor does a message fit a
 * finite-field key exchange of TLS 1.2, where the 3 would be the upper half of a length of at
 * least 768 octets.
 */
static bool
is_tls12(const uint8_t *tbs, size_t len)
{
	const uint8_t *params = tbs + PREFIX_LEN;

	if (len < PREFIX_LEN + 5 || params[0] != 3)
		return false;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct group	*g = &groups[i];

		if (g->number == (params[1] << 8 | params[2]))
			return params[3] == g->point && len == PREFIX_LEN + 4 + (size_t)g->point &&
			    (!g->uncompressed || params[4] == 4);
	}
	return false;
}

/*
 * Returns whether TLS 1.3 allows a scheme: not PKCS#1, and each curve with its digest (RFC 8446,
 * 4.2.3).
 */
static bool
is_for_tls13(const struct scheme *s, const EVP_PKEY *key)
{
	char curve[32];

	if (s->padding == RSA_PKCS1_PADDING)
		return false;
	return s->curve == NULL || (EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 &&
	    strcmp(s->curve, curve) == 0);
}

static const struct scheme *
find_scheme(uint32_t number)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i].number == number)
			return &schemes[i];
	return NULL;
}

/* Returns why a request is refused, NULL if it is allowed. */
static const char *
signature_request_error(const struct sign_keys *keys, const struct msg_sign *q)
{
	const struct scheme *s = find_scheme(q->scheme);
	const EVP_PKEY *key;

	if (q->index >= keys->opts->n_cert || keys->key[q->index] == NULL)
		return "unknown key number, or the key was not requested before";
	key = keys->key[q->index];
	if (s == NULL)
		return "unknown signature scheme";
	if (!EVP_PKEY_is_a(key, s->type))
		return "the scheme is for another type of key";
	if (q->len > sizeof(q->tbs))
		return "the message is too long";
	if (is_tls13(q->tbs, q->len))
		return is_for_tls13(s, key) ? NULL : "the scheme is not for TLS 1.3 with this key";
	return is_tls12(q->tbs, q->len) ? NULL : "the message is not part of a TLS handshake";
}

/* --- signing */

/*
 * Signs a request that signature_request_error() has allowed. Returns false, with length 0, if
 * OpenSSL fails.
 */
static bool
make_signature(EVP_PKEY *key, const struct msg_sign *q, struct msg_sign_answer *a)
{
	const struct scheme *s = find_scheme(q->scheme);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;	/* freed with md */
	size_t len = sizeof(a->signature);
	bool ok;

	ok = md != NULL && EVP_DigestSignInit_ex(md, &ctx, s->digest, NULL, NULL, key, NULL) == 1;
	if (ok && s->padding != 0)
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, s->padding) == 1;
	if (ok && s->padding == RSA_PKCS1_PSS_PADDING)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestSign(md, a->signature, &len, q->tbs, q->len) == 1;
	EVP_MD_CTX_free(md);
	ERR_clear_error();

	a->len = ok ? (uint32_t)len : 0;
	return ok;
}

const char *
sign_answer(struct sign_keys *keys, const struct msg_sign *q, struct msg_sign_answer *a)
{
	const char *reason = signature_request_error(keys, q);

	memset(a, 0, sizeof(*a));
	if (reason == NULL && !make_signature(keys->key[q->index], q, a))
		memset(a, 0, sizeof(*a));
	return reason;
}

void
sign_log_refusal(const struct msg_sign *q, const char *reason)
{
	struct log_line line;

	log_begin(&line, LOG_ERR, "sign-refused");
	log_field(&line, "index", "%u", q->index);
	log_field(&line, "scheme", "0x%04x", q->scheme);
	log_field(&line, "len", "%u", q->len);
	log_text(&line, "reason", reason);
	log_write(&line);
}

void
sign_forget(struct sign_keys *keys)
{
	/* OpenSSL wipes a private key before it frees it. */
	for (size_t i = 0; i < OPTIONS_CERTS_MAX; i++) {
		/* If no key was loaded, OpenSSL may not be loaded either (lazyload.h). */
		if (keys->key[i] != NULL)
			EVP_PKEY_free(keys->key[i]);
		keys->key[i] = NULL;
	}
}
