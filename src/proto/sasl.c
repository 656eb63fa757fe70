/*
 * SASL as a server, see sasl.h: mechanisms, base64, and valid names. Run by the gate in its
 * sandbox, on the client's input; the monitor uses it to check that input again. Pure.
 */

#include "proto/sasl.h"

#include <resolv.h>
#include <string.h>
#include <strings.h>

#include "boundary/msg.h"
#include "proto/utf8.h"

/* Ends each pair in OAuth messages (RFC 7628, 3.1). */
#define KVSEP	'\x01'

static void
store_text(struct credentials *cred, char *dst, size_t max, const char *text, size_t len)
{
	if (len > max || memchr(text, '\0', len) != NULL) {
		cred->malformed = true;
		return;
	}
	memcpy(dst, text, len);
	dst[len] = '\0';
}

static void
store_login(struct credentials *cred, const char *user, size_t user_len, const char *password, size_t password_len)
{
	store_text(cred, cred->authcid, SASL_NAME_MAX, user, user_len);
	store_text(cred, cred->secret, SASL_PASSWORD_MAX, password, password_len);
	if (user_len == 0 || password_len == 0)
		cred->malformed = true;
}

/*
 * RFC 4616, 2: message = [authzid] NUL authcid NUL passwd. A third NUL would be in the password,
 * where store_text() refuses it.
 */
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
	store_text(cred, cred->authzid, SASL_NAME_MAX, message, (size_t)(authcid - 1 - message));
	store_login(cred, authcid, (size_t)(password - 1 - authcid), password, (size_t)(end - password));
	return SASL_DONE;
}

/* draft-murchison-sasl-login-00. Some clients compare the text of the challenges. */
static enum sasl_next
step_login(struct sasl *s, const char *message, size_t len)
{
	struct credentials *cred = &s->credentials;

	switch (s->steps) {
	case 0:
		s->challenge = "Username:";
		return SASL_MORE;
	case 1:
		store_text(cred, cred->authcid, SASL_NAME_MAX, message, len);
		s->challenge = "Password:";
		return SASL_MORE;
	default:
		store_text(cred, cred->secret, SASL_PASSWORD_MAX, message, len);
		cred->malformed |= cred->authcid[0] == '\0' || len == 0;
		return SASL_DONE;
	}
}

/* RFC 4422, appendix A: the message is the authzid or empty; the certificate has the identity. */
static enum sasl_next
step_external(struct sasl *s, const char *message, size_t len)
{
	if (s->steps == 0) {
		s->challenge = "";
		return SASL_MORE;
	}
	store_text(&s->credentials, s->credentials.authzid, SASL_NAME_MAX, message, len);
	return SASL_DONE;
}

/* Returns whether the pair has this key, and sets value to the text after the key. */
static bool
is_pair(const char *pair, size_t len, const char *key, const char **value, size_t *value_len)
{
	size_t n = strlen(key);

	if (len < n || strncasecmp(pair, key, n) != 0)
		return false;
	*value = pair + n;
	*value_len = len - n;
	return true;
}

/*
 * Stores the pairs of RFC 7628, 3.1. Each ends in ^A, the list in one more; unknown keys are
 * skipped. XOAUTH2 has the same pairs, and the user name among them.
 */
static void
store_pairs(struct sasl *s, const char *at, const char *end)
{
	struct credentials *cred = &s->credentials;
	const char *stop, *value;
	size_t len;

	for (;;) {
		stop = memchr(at, KVSEP, (size_t)(end - at));
		if (stop == NULL) {
			cred->malformed = true;
			return;
		}
		if (stop == at)
			break;
		len = (size_t)(stop - at);
		if (is_pair(at, len, "auth=Bearer ", &value, &len))
			store_text(cred, cred->secret, SASL_TOKEN_MAX, value, len);
		else if (is_pair(at, len, "user=", &value, &len))
			store_text(cred, cred->authcid, SASL_NAME_MAX, value, len);
		else if (is_pair(at, len, "host=", &value, &len))
			store_text(cred, s->host, SASL_NAME_MAX, value, len);
		else if (is_pair(at, len, "port=", &value, &len))
			store_text(cred, s->port, sizeof(s->port) - 1, value, len);
		at = stop + 1;
	}
	if (stop + 1 != end || cred->secret[0] == '\0')
		cred->malformed = true;
}

/*
 * Decodes a saslname of RFC 5801, 4: "=2C" is a comma and "=3D" an equals sign. Returns false
 * for any other "=".
 */
static bool
unescape_name(char *name)
{
	char *to = name;

	for (; *name != '\0'; name++) {
		if (*name != '=') {
			*to++ = *name;
			continue;
		}
		if (strncasecmp(name, "=2C", 3) != 0 && strncasecmp(name, "=3D", 3) != 0)
			return false;
		*to++ = name[1] == '2' ? ',' : '=';
		name += 2;
	}
	*to = '\0';
	return true;
}

/*
 * RFC 7628, 3.1: "n,a=user," ^A pairs ^A. Channel binding is not supported, so "p=..." is refused;
 * "y" means that the client does not expect the server to support it.
 */
static enum sasl_next
step_oauthbearer(struct sasl *s, const char *message, size_t len)
{
	struct credentials *cred = &s->credentials;
	const char *end = message + len, *name, *comma;

	if (s->steps == 0) {
		s->challenge = "";
		return SASL_MORE;
	}
	if (len < 4 || (message[0] != 'n' && message[0] != 'y') || message[1] != ',') {
		cred->malformed = true;
		return SASL_DONE;
	}
	name = message + 2;
	comma = memchr(name, ',', (size_t)(end - name));
	if (comma == NULL || comma + 1 == end || comma[1] != KVSEP || (comma > name && strncmp(name, "a=", 2) != 0)) {
		cred->malformed = true;
		return SASL_DONE;
	}
	if (comma > name)
		store_text(cred, cred->authzid, SASL_NAME_MAX, name + 2, (size_t)(comma - name) - 2);
	if (!unescape_name(cred->authzid))
		cred->malformed = true;
	store_pairs(s, comma + 2, end);
	strcpy(cred->authcid, cred->authzid);
	return SASL_DONE;
}

static enum sasl_next
step_xoauth2(struct sasl *s, const char *message, size_t len)
{
	struct credentials *cred = &s->credentials;

	if (s->steps == 0) {
		s->challenge = "";
		return SASL_MORE;
	}
	store_pairs(s, message, message + len);
	if (cred->authcid[0] == '\0')
		cred->malformed = true;
	/* The token names the user; the client's name must be the same. */
	strcpy(cred->authzid, cred->authcid);
	return SASL_DONE;
}

#define OAUTH_FAILURE	"{\"status\":\"invalid_token\"}"
#define XOAUTH2_FAILURE	"{\"status\":\"401\",\"schemes\":\"bearer\"}"

const struct sasl_mechanism sasl_mechanisms[] = {
	{ "PLAIN",	 MECH_PLAIN,	   SASL_PASSWORD,	false,	NULL,		 step_plain },
	{ "LOGIN",	 MECH_LOGIN,	   SASL_PASSWORD,	true,	NULL,		 step_login },
	{ "EXTERNAL",	 MECH_EXTERNAL,	   SASL_CERTIFICATE,	false,	NULL,		 step_external },
	{ "OAUTHBEARER", MECH_OAUTHBEARER, SASL_TOKEN,		false,	OAUTH_FAILURE,	 step_oauthbearer },
	{ "XOAUTH2",	 MECH_XOAUTH2,	   SASL_TOKEN,		false,	XOAUTH2_FAILURE, step_xoauth2 },
	{ NULL,		 0,		   SASL_PASSWORD,	false,	NULL,		 NULL },
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

/*
 * SECURITY: a client may send a password in place of a mechanism's name, by mistake. So only these
 * names are logged: mechanisms that clients and servers use (IANA, SASL Mechanisms).
 */
static const char *const log_names[] = {
	"other", "LOGIN-command", "PLAIN", "LOGIN", "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "XOAUTH", "ANONYMOUS", "CRAM-MD5",
	"DIGEST-MD5", "NTLM", "GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "KERBEROS_V4", "OTP", "SKEY", "SECURID", "OPENID20", "SAML20",
	"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS",
};
#define LOG_NAMES	(sizeof(log_names) / sizeof(log_names[0]))

unsigned
sasl_log_number(const char *name)
{
	unsigned i;

	for (i = 1; i < LOG_NAMES; i++)
		if (strcmp(log_names[i], name) == 0)
			return i;
	return 0;
}

const char *
sasl_log_name(unsigned number)
{
	return number < LOG_NAMES ? log_names[number] : NULL;
}

void
sasl_begin(struct sasl *s, const struct sasl_mechanism *m, const char *identity)
{
	memset(s, 0, sizeof(*s));
	s->mechanism = m;
	if (m->proof == SASL_CERTIFICATE)
		store_text(&s->credentials, s->credentials.authcid, SASL_NAME_MAX, identity, strlen(identity));
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
	store_login(cred, user, user_len, password, password_len);
}

/*
 * Decodes a block of up to 64 characters, copied because b64_pton(3) takes a string. b64_pton(3)
 * accepts white space and anything after padding, so the result is encoded again and compared: only
 * a canonical text is the same. Only the last block has padding.
 */
static bool
decode_block(const char *base64, size_t len, size_t padding, char *out)
{
	char text[64 + 1], again[64 + 1];
	size_t octets = len / 4 * 3 - padding;
	bool same;

	memcpy(text, base64, len);
	text[len] = '\0';
	same = b64_pton(text, (unsigned char *)out, len / 4 * 3) == (int)octets &&
	    b64_ntop((unsigned char *)out, octets, again, sizeof(again)) == (int)len && memcmp(again, base64, len) == 0;
	explicit_bzero(text, sizeof(text));
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
		if (octets == 0 || utf8_is_control(at, octets))
			return false;
	}
	return len > 0;
}

bool
sasl_is_name(const char *name)
{
	/*
	 * Programs have taken names for options ("-f root", CVE-2026-24061), paths, or two fields
	 * of passwd(5).
	 */
	return sasl_is_text(name) && strchr("-+.", name[0]) == NULL && strpbrk(name, "/:") == NULL;
}

void
sasl_forget(struct sasl *s)
{
	explicit_bzero(s, sizeof(*s));
}
