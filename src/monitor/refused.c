/* The password that was refused last, see refused.h. Run by the monitor, as root. */

#include "monitor/refused.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "base/lazyload.h"
#include "base/openssl.h"
#include "monitor/authorize.h"

static bool
digest_of(const struct refused *r, const struct msg_login *login, uint8_t digest[32])
{
	struct {
		char	authcid[MSG_NAME_MAX], authzid[MSG_NAME_MAX], secret[MSG_SECRET_MAX];
	} text = { 0 };
	bool done;

	/* Padded with NULs, so that different logins never give the same text. */
	memccpy(text.authcid, login->authcid, 0, sizeof(text.authcid));
	memccpy(text.authzid, login->authzid, 0, sizeof(text.authzid));
	memccpy(text.secret, login->secret, 0, sizeof(text.secret));
	done = HMAC(EVP_sha256(), r->key, sizeof(r->key), (const unsigned char *)&text, sizeof(text), digest, NULL) != NULL;
	explicit_bzero(&text, sizeof(text));
	return done;
}

bool
refused_is_same(const struct refused *r, const struct msg_login *login)
{
	uint8_t digest[sizeof(r->digest)];

	return r->known && authorize_is_password(login->mechanism) && digest_of(r, login, digest) &&
	    memcmp(digest, r->digest, sizeof(digest)) == 0;
}

void
refused_remember(struct refused *r, const struct msg_login *login, enum msg_outcome outcome)
{
	refused_forget(r);
	if (outcome != OUTCOME_AUTHENTICATIONFAILED || login->authcid[0] == '\0' || login->secret[0] == '\0' ||
	    !authorize_is_password(login->mechanism) || lazyload_openssl() != NULL)
		return;
	openssl_begin();
	r->known = getrandom(r->key, sizeof(r->key), 0) == (ssize_t)sizeof(r->key) && digest_of(r, login, r->digest);
}

void
refused_forget(struct refused *r)
{
	explicit_bzero(r, sizeof(*r));
}
