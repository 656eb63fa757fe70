/*
 * SASL: any input as a line of base64, as a message of each mechanism (two of
 * LOGIN, a line end between them), as a LOGIN command's strings and as text.
 */

#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "proto/sasl.h"

/* What was decoded must be what is encoded to the same text again (RFC 4648, 4). */
static void
check_base64(const char *in, size_t size)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char out[SASL_MESSAGE_MAX + 2];
	size_t i, len;
	uint32_t bits;

	memset(out, 0x55, sizeof(out));
	if (!sasl_decode(in, size, out, &len))
		return;
	MUST(len <= SASL_MESSAGE_MAX && size == (len + 2) / 3 * 4);
	MUST(out[SASL_MESSAGE_MAX] == 0x55);
	out[len] = out[len + 1] = '\0';
	for (i = 0; i < size; i++) {
		const unsigned char *group = (const unsigned char *)out + i / 4 * 3;

		bits = (uint32_t)group[0] << 16 | (uint32_t)(i / 4 * 3 + 1 < len ? group[1] : 0) << 8 |
		    (i / 4 * 3 + 2 < len ? group[2] : 0);
		MUST(in[i] == (i / 4 * 3 + i % 4 > len ? '=' : alphabet[bits >> (18 - i % 4 * 6) & 63]));
	}
}

/* Is this part what was kept, and may it be kept? */
static bool
fits(const char *part, size_t len, size_t max)
{
	return len > 0 && len <= max && memchr(part, '\0', len) == NULL;
}

static bool
same(const char *kept, const char *part, size_t len)
{
	return strlen(kept) == len && memcmp(kept, part, len) == 0;
}

static void
check_plain(struct sasl *s, const char *in, size_t size)
{
	const char *first = memchr(in, '\0', size), *second, *end = in + size;
	const struct credentials *c = &s->credentials;

	sasl_begin(s, sasl_find("PLAIN"), "");
	MUST(sasl_step(s, in, size) == SASL_DONE);
	second = first == NULL ? NULL : memchr(first + 1, '\0', (size_t)(end - first) - 1);
	if (second == NULL) {
		MUST(c->malformed);
		return;
	}
	MUST(c->malformed ==
	    !(first - in <= SASL_NAME_MAX && fits(first + 1, (size_t)(second - first) - 1, SASL_NAME_MAX) &&
		fits(second + 1, (size_t)(end - second) - 1, SASL_PASSWORD_MAX)));
	if (c->malformed)
		return;
	MUST(same(c->authzid, in, (size_t)(first - in)));
	MUST(same(c->authcid, first + 1, (size_t)(second - first) - 1));
	MUST(same(c->secret, second + 1, (size_t)(end - second) - 1));
}

static void
check_credentials(const struct credentials *c, const char *user, size_t user_len, const char *password, size_t password_len)
{
	MUST(c->malformed == !(fits(user, user_len, SASL_NAME_MAX) && fits(password, password_len, SASL_PASSWORD_MAX)));
	MUST(c->malformed ||
	    (same(c->authcid, user, user_len) && same(c->secret, password, password_len) && c->authzid[0] == '\0'));
}

static void
check_login(struct sasl *s, const char *in, size_t size)
{
	const char *lf = memchr(in, '\n', size);
	size_t user_len = lf == NULL ? size : (size_t)(lf - in), password_len = lf == NULL ? 0 : size - user_len - 1;
	const char *password = in + size - password_len;
	struct credentials c;

	sasl_begin(s, sasl_find("LOGIN"), "");
	MUST(sasl_step(s, in, user_len) == SASL_MORE);
	MUST(sasl_step(s, password, password_len) == SASL_DONE);
	check_credentials(&s->credentials, in, user_len, password, password_len);
	sasl_login(&c, in, user_len, password, password_len);
	check_credentials(&c, in, user_len, password, password_len);
}

static void
check_external(struct sasl *s, const char *in, size_t size)
{
	sasl_begin(s, sasl_find("EXTERNAL"), "alice");
	MUST(sasl_step(s, in, size) == SASL_DONE);
	MUST(s->credentials.malformed == !(size == 0 || fits(in, size, SASL_NAME_MAX)));
	MUST(s->credentials.malformed || same(s->credentials.authzid, in, size));
	MUST(strcmp(s->credentials.authcid, "alice") == 0);
}

/* Does a message hold what was taken from it? */
static bool
holds(const char *in, size_t size, const char *part)
{
	size_t i, len = strlen(part);

	for (i = 0; i + len <= size; i++)
		if (memcmp(in + i, part, len) == 0)
			return true;
	return false;
}

/* A message that is good has a token in it, and ends as RFC 7628, 3.1 has it. */
static void
check_token(struct sasl *s, const char *name, const char *in, size_t size)
{
	const struct credentials *c = &s->credentials;

	sasl_begin(s, sasl_find(name), "");
	MUST(sasl_step(s, in, size) == SASL_DONE);
	if (c->malformed)
		return;
	MUST(size > 2 && memcmp(in + size - 2, "\1\1", 2) == 0);
	MUST(c->secret[0] != '\0' && holds(in, size, c->secret));
	MUST(strchr(c->secret, '\1') == NULL && strchr(s->host, '\1') == NULL && strchr(s->port, '\1') == NULL);
	MUST(holds(in, size, s->host) && holds(in, size, s->port));
	MUST(strcmp(c->authcid, c->authzid) == 0);
	if (strcmp(name, "XOAUTH2") == 0)
		MUST(c->authcid[0] != '\0' && holds(in, size, c->authcid));
}

static void
check_text(const char *text)
{
	if (sasl_is_name(text))
		MUST(sasl_is_text(text) && strpbrk(text, "/:") == NULL);
	if (sasl_is_text(text))
		MUST(text[0] != '\0' && strpbrk(text, "\r\n\t\x1b\x7f\xc0\xc1\xf5\xff") == NULL);
}

/* A word becomes a name of the list or "other", and nothing of it gets into the log else. */
static void
check_log_name(const char *word)
{
	unsigned number = sasl_log_number(word);
	const char *name = sasl_log_name(number);

	MUST(name != NULL && strcmp(name, number > 0 ? word : "other") == 0);
	MUST(sasl_find(word) == NULL || number > 0);
	MUST(sasl_log_name((unsigned)strlen(word) + 1000) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sasl s;
	char *in = malloc(size > 0 ? size : 1), *text = malloc(size + 1);

	MUST(in != NULL && text != NULL);
	memcpy(in, data, size);
	memcpy(text, data, size);
	text[size] = '\0';
	check_text(text);
	check_log_name(text);
	MUST(sasl_find(text) == NULL || strcmp(sasl_find(text)->name, text) == 0);
	check_base64(in, size);
	check_plain(&s, in, size);
	check_login(&s, in, size);
	check_external(&s, in, size);
	check_token(&s, "OAUTHBEARER", in, size);
	check_token(&s, "XOAUTH2", in, size);
	sasl_forget(&s);
	MUST(s.credentials.authcid[0] == '\0' && s.credentials.secret[0] == '\0');
	free(in);
	free(text);
	return 0;
}
