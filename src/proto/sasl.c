/*
 * SASL in the server's part: mechanisms, base64, and what may be a name.
 */

#include "proto/sasl.h"

#include <openssl/evp.h>
#include <string.h>

#include "msg.h"
#include "proto/utf8.h"

static void
keep(struct credentials *cred, char *dst, size_t max, const char *text, size_t len)
{
	if (len > max || memchr(text, '\0', len) != NULL) {
		cred->malformed = true;
		return;
	}
	memcpy(dst, text, len);
	dst[len] = '\0';
}

static void
keep_login(struct credentials *cred, const char *user, size_t user_len, const char *password, size_t password_len)
{
	keep(cred, cred->authcid, SASL_NAME_MAX, user, user_len);
	keep(cred, cred->secret, SASL_SECRET_MAX, password, password_len);
	if (user_len == 0 || password_len == 0)
		cred->malformed = true;
}

/* RFC 4616, 2: message = [authzid] NUL authcid NUL passwd. A third NUL would stand in the password, where keep() refuses it. */
static enum sasl_next
step_plain(struct sasl *s, const char *message, size_t len)
{
	struct credentials *cred = &s->credentials;
	const char *end = message + len, *authcid, *password;

	if (s->steps == 0) {
		s->challenge = "";
		return SASL_MORE;
	}
	authcid = memchr(message, '\0', len);
	password = authcid == NULL ? NULL : memchr(authcid + 1, '\0', (size_t)(end - authcid) - 1);
	if (password == NULL) {
		cred->malformed = true;
		return SASL_DONE;
	}
	authcid++;
	password++;
	keep(cred, cred->authzid, SASL_NAME_MAX, message, (size_t)(authcid - 1 - message));
	keep_login(cred, authcid, (size_t)(password - 1 - authcid), password, (size_t)(end - password));
	return SASL_DONE;
}

/* draft-murchison-sasl-login-00: some clients look at the very words of the challenges. */
static enum sasl_next
step_login(struct sasl *s, const char *message, size_t len)
{
	struct credentials *cred = &s->credentials;

	switch (s->steps) {
	case 0:
		s->challenge = "Username:";
		return SASL_MORE;
	case 1:
		keep(cred, cred->authcid, SASL_NAME_MAX, message, len);
		s->challenge = "Password:";
		return SASL_MORE;
	default:
		keep(cred, cred->secret, SASL_SECRET_MAX, message, len);
		cred->malformed |= cred->authcid[0] == '\0' || len == 0;
		return SASL_DONE;
	}
}

const struct sasl_mechanism sasl_mechanisms[] = {
	{ "PLAIN",	MECH_PLAIN,	false,	step_plain },
	{ "LOGIN",	MECH_LOGIN,	true,	step_login },
	{ NULL,		0,		false,	NULL },
};

const struct sasl_mechanism *
sasl_find(const char *name)
{
	const struct sasl_mechanism *m;

	for (m = sasl_mechanisms; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

void
sasl_begin(struct sasl *s, const struct sasl_mechanism *m)
{
	memset(s, 0, sizeof(*s));
	s->mechanism = m;
	m->step(s, "", 0);
	s->steps = 1;
}

enum sasl_next
sasl_step(struct sasl *s, const char *message, size_t len)
{
	enum sasl_next next = s->mechanism->step(s, message, len);

	s->steps++;
	return next;
}

void
sasl_login(struct credentials *cred, const char *user, size_t user_len, const char *password, size_t password_len)
{
	memset(cred, 0, sizeof(*cred));
	keep_login(cred, user, user_len, password, password_len);
}

/*
 * Decodes up to 64 characters. EVP_DecodeBlock(3) takes white space and
 * unused bits as they come, but what is encoded again to the same text was
 * canonical. Padding is only expected where it is given: in the last block.
 */
static bool
decode_block(const char *base64, size_t len, size_t padding, char *out)
{
	unsigned char again[64 + 1];
	int n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)base64, (int)len);
	bool same;

	if (n != (int)(len / 4 * 3))
		return false;
	EVP_EncodeBlock(again, (unsigned char *)out, n - (int)padding);
	same = memcmp(again, base64, len) == 0;
	explicit_bzero(again, sizeof(again));
	return same;
}

bool
sasl_decode(const char *base64, size_t len, char *out, size_t *out_len)
{
	size_t at, part, padding = 0;

	if (len % 4 != 0 || len / 4 * 3 > SASL_MESSAGE_MAX)
		return false;
	while (padding < 2 && padding < len && base64[len - 1 - padding] == '=')
		padding++;

	for (at = 0; at < len; at += part) {
		part = len - at < 64 ? len - at : 64;
		if (!decode_block(base64 + at, part, at + part == len ? padding : 0, out + at / 4 * 3))
			return false;
	}
	*out_len = len / 4 * 3 - padding;
	return true;
}

bool
sasl_is_text(const char *text)
{
	size_t octets, len = strlen(text);
	const char *at;

	for (at = text; at < text + len; at += octets) {
		octets = utf8_sequence(at, (size_t)(text + len - at));
		if (octets == 0 || (unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	}
	return len > 0;
}

bool
sasl_is_name(const char *name)
{
	/* Programs have read "-f root" out of a name (CVE-2026-24061), a path, or two fields of passwd(5). */
	return sasl_is_text(name) && strchr("-+.", name[0]) == NULL && strpbrk(name, "/:") == NULL;
}

void
sasl_forget(struct sasl *s)
{
	explicit_bzero(s, sizeof(*s));
}
