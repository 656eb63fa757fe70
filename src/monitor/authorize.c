/*
 * Authorization, see authorize.h. Run by the monitor, as root. The login's message comes from the
 * gate, which is not trusted: every field is checked here again.
 */

#include "monitor/authorize.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "monitor/accounting.h"
#include "monitor/launch.h"
#include "monitor/watchdog.h"
#include "proto/sasl.h"

/* Proof of identity that a mechanism needs. */
enum proof {
	PROOF_PASSWORD,		/* checked by --pam-service */
	PROOF_TOKEN,		/* checked by --oauth-service */
	PROOF_CERTIFICATE,	/* verified by the gate, see the manual, SECURITY */
};

static const struct mechanism {
	enum msg_mechanism	 id;
	const char		*name;
	enum proof		 proof;
} mechanisms[] = {
	{ MECH_LOGIN_COMMAND,	"LOGIN-command",	PROOF_PASSWORD },
	{ MECH_PLAIN,		"PLAIN",		PROOF_PASSWORD },
	{ MECH_LOGIN,		"LOGIN",		PROOF_PASSWORD },
	{ MECH_EXTERNAL,	"EXTERNAL",		PROOF_CERTIFICATE },
	{ MECH_OAUTHBEARER,	"OAUTHBEARER",		PROOF_TOKEN },
	{ MECH_XOAUTH2,		"XOAUTH2",		PROOF_TOKEN },
	{ MECH_PREAUTH,		"PREAUTH",		PROOF_CERTIFICATE },
};

static const struct mechanism *
find_mechanism(uint32_t id)
{
	size_t i;

	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (mechanisms[i].id == id)
			return &mechanisms[i];
	bug("unknown mechanism %u", id);
}

const char *
authorize_mechanism(uint32_t id)
{
	return find_mechanism(id)->name;
}

bool
authorize_is_guess(const struct authorization *a, enum msg_outcome outcome)
{
	if (outcome == OUTCOME_AUTHENTICATIONFAILED || outcome == OUTCOME_AUTHORIZATIONFAILED)
		return true;
	return a->pam.asked && !a->pam.authenticated;
}

bool
authorize_is_password(uint32_t mechanism)
{
	return find_mechanism(mechanism)->proof == PROOF_PASSWORD;
}

static struct pamauth_result
refuse_login(enum msg_outcome outcome, const char *reason)
{
	return (struct pamauth_result){ .outcome = outcome, .reason = reason };
}

/* Refuses because of a step that failed at a file (NULL: none), with its errno (0: unknown). */
static struct pamauth_result
refuse_file(const char *reason, const char *path, int errnum)
{
	struct pamauth_result result = refuse_login(OUTCOME_UNAVAILABLE, reason);

	result.path = path;
	result.error = errnum != 0 ? strerror(errnum) : NULL;
	return result;
}

/* Refuses because of the uid, with the numbers for the log. */
static struct pamauth_result
refuse_uid(const struct authorization *a)
{
	struct pamauth_result result = refuse_login(OUTCOME_AUTHENTICATIONFAILED, "uid");
	static char error[96];

	if (a->account.uid == 0 || a->account.uid < a->opts->min_uid)
		snprintf(error, sizeof(error), "its uid is %u, --min-uid %u", (unsigned)a->account.uid, (unsigned)a->opts->min_uid);
	else
		snprintf(error, sizeof(error), "its uid is %u, not that of the client or of this process", (unsigned)a->account.uid);
	result.error = error;
	return result;
}

/* Returns why the login is refused without asking PAM, or NULL. */
static const char *
login_error(const struct msg_login *login, enum proof proof)
{
	size_t secret = strlen(login->secret);

	/* A token may name its user itself. */
	if (login->authcid[0] == '\0' && (proof != PROOF_TOKEN || secret == 0))
		return "malformed";
	if (secret == 0 && proof != PROOF_CERTIFICATE)
		return "malformed";
	if (login->authcid[0] != '\0' && !sasl_is_name(login->authcid))
		return ACCOUNT_BAD_NAME;
	if (login->authzid[0] != '\0' && !sasl_is_name(login->authzid))
		return ACCOUNT_BAD_NAME;
	if (secret > 0 && !sasl_is_text(login->secret))
		return "password-not-text";
	return proof == PROOF_PASSWORD && secret > SASL_PASSWORD_MAX ? "password-too-long" : NULL;
}

static struct pamauth_result
ask_pam(struct authorization *a, const struct msg_login *login, enum proof proof)
{
	const struct options *o = a->opts;

	switch (proof) {
	case PROOF_PASSWORD:
		return pamauth_check(&a->pam, o, a->peer, o->pam_service, login->authcid, login->secret);
	case PROOF_TOKEN:
		if (o->oauth_service == NULL)
			bug("gate sent a token, but --oauth-service is off");
		return pamauth_check(&a->pam, o, a->peer, o->oauth_service, login->authcid, login->secret);
	case PROOF_CERTIFICATE:
		return pamauth_check(&a->pam, o, a->peer, o->pam_service, login->authcid, NULL);
	}
	bug("unknown proof %d", (int)proof);
}

/*
 * SECURITY: a gate may claim a certificate, or skip the login, only if the options allow it.
 * With --preauth peer only the monitor maps a peer to a user: a peer that it did not log in gets
 * a gate, which must not become any user.
 */
static void
check_certificate_use(const struct authorization *a, uint32_t mechanism)
{
	const struct options *o = a->opts;

	if (mechanism == MECH_EXTERNAL && o->client_ca == NULL)
		bug("gate claimed a certificate, but --client-ca is off");
	if (mechanism == MECH_PREAUTH && !a->by_peer && (o->preauth != PREAUTH_CERT || o->client_ca == NULL))
		bug("gate claimed PREAUTH, but --preauth cert is off");
}

/*
 * Returns whether the account has the peer's own uid. SECURITY: PAM may return any name for the
 * peer's.
 */
static bool
is_peers_own(const struct authorization *a)
{
	return !a->by_peer || a->opts->run_as != NULL || a->account.uid == a->peer->uid;
}

/*
 * Returns whether the authzid is empty, the name sent, or the name that PAM made of it: no user
 * may act as another (RFC 4422, 3.4.1).
 */
static bool
is_own_authzid(const struct msg_login *login, const char *name, enum proof proof)
{
	if (login->authzid[0] == '\0' || strcmp(login->authzid, name) == 0)
		return true;
	return proof != PROOF_TOKEN && strcmp(login->authzid, login->authcid) == 0;
}

/* Refuses because launch_preflight() failed, with the file at fault. */
static struct pamauth_result
refuse_launch(const struct authorization *a, const char *error, int errnum)
{
	const char *path = NULL;

	if (strcmp(error, "home") == 0)
		path = a->account.home;
	else if (strcmp(error, "program") == 0)
		path = a->opts->program[0];
	return refuse_file(error, path, path != NULL || strcmp(error, "uid") == 0 ? errnum : 0);
}

/* Checks everything but the proof of identity, which PAM has accepted. */
static struct pamauth_result
authorize_account(struct authorization *a, const struct msg_login *login, enum proof proof)
{
	const char *name = pamauth_user(&a->pam), *error;
	struct pamauth_result result;
	enum msg_limit limit;

	if (!is_own_authzid(login, name, proof))
		return refuse_login(OUTCOME_AUTHORIZATIONFAILED, "authzid");
	if (!sasl_is_name(name))
		return refuse_login(OUTCOME_AUTHENTICATIONFAILED, ACCOUNT_BAD_NAME);
	watchdog_timeout_step("directory");
	error = account_find(&a->account, a->opts, name);
	/*
	 * PAM knows the user, so the user database has failed or lacks the user. The client is not
	 * at fault.
	 */
	if (error != NULL && account_is_missing(error))
		return refuse_file(error, NULL, strcmp(error, ACCOUNT_NO_DIRECTORY) == 0 ? errno : 0);
	if (error == NULL && !is_peers_own(a))
		error = "uid";
	if (error != NULL)
		return strcmp(error, "uid") == 0 ? refuse_uid(a) : refuse_login(OUTCOME_AUTHENTICATIONFAILED, error);
	if (a->account.home[0] == '\0')
		return refuse_file("home", a->opts->home, 0);
	/*
	 * From here on this process belongs to one user: groups, and limits or niceness set by
	 * PAM.
	 */
	a->changed = true;
	if (!launch_join_groups(&a->account))
		return refuse_file("groups", NULL, errno);
	result = pamauth_open(&a->pam, a->opts);
	if (result.outcome != OUTCOME_OK)
		return result;
	watchdog_timeout_step("home");
	error = launch_preflight(a->opts, &a->account);
	if (error != NULL)
		return refuse_launch(a, error, errno);
	/* Must be the last check: the listener counts a session from here on. */
	limit = accounting_logged_in(login->authcid, a->account.name);
	if (limit == LIMIT_NONE)
		return result;
	return refuse_login(limit == LIMIT_SHUTDOWN ? OUTCOME_UNAVAILABLE : OUTCOME_LIMIT, msg_limit_name(limit));
}

struct pamauth_result
authorize_login(struct authorization *a, const struct msg_login *login)
{
	enum proof proof = find_mechanism(login->mechanism)->proof;
	const char *error = login_error(login, proof);
	struct pamauth_result result;

	a->pam.text[0] = '\0';
	a->pam.asked = a->pam.authenticated = false;
	check_certificate_use(a, login->mechanism);
	if (error != NULL)
		return refuse_login(OUTCOME_AUTHENTICATIONFAILED, error);
	result = ask_pam(a, login, proof);
	if (result.outcome == OUTCOME_OK)
		result = authorize_account(a, login, proof);
	if (result.outcome != OUTCOME_OK)
		pamauth_close(&a->pam);
	result.text = a->pam.text;
	return result;
}
