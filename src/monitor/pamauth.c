/*
 * The conversation with PAM, see pamauth.h. Run by the monitor, as root. Modules may sleep,
 * fork, or never return; the monitor's timer enforces the login's deadline.
 */

#include "monitor/pamauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lazyload.h"
#include "monitor/watchdog.h"
#include "proto/reply.h"

/*
 * Outcome of each PAM code while authenticating, and afterwards, when the password was right
 * (see the manual).
 */
static const struct code {
	const char		*name;
	enum msg_outcome	 authenticating;
	enum msg_outcome	 afterwards;
} codes[] = {
#define CODE(code, first, then)	[code] = { #code, OUTCOME_##first, OUTCOME_##then }
	CODE(PAM_SUCCESS, OK, OK),
	CODE(PAM_OPEN_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_SYMBOL_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_SERVICE_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_SYSTEM_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_BUF_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_PERM_DENIED, AUTHENTICATIONFAILED, CONTACTADMIN),
	CODE(PAM_AUTH_ERR, AUTHENTICATIONFAILED, CONTACTADMIN),
	CODE(PAM_CRED_INSUFFICIENT, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_AUTHINFO_UNAVAIL, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_USER_UNKNOWN, AUTHENTICATIONFAILED, AUTHENTICATIONFAILED),
	CODE(PAM_MAXTRIES, AUTHENTICATIONFAILED, AUTHENTICATIONFAILED),
	CODE(PAM_NEW_AUTHTOK_REQD, EXPIRED, EXPIRED),
	CODE(PAM_ACCT_EXPIRED, AUTHENTICATIONFAILED, CONTACTADMIN),
	CODE(PAM_SESSION_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_CRED_UNAVAIL, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_CRED_EXPIRED, EXPIRED, EXPIRED),
	CODE(PAM_CRED_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_NO_MODULE_DATA, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_CONV_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_AUTHTOK_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_AUTHTOK_RECOVERY_ERR, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_AUTHTOK_LOCK_BUSY, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_AUTHTOK_DISABLE_AGING, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_TRY_AGAIN, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_IGNORE, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_ABORT, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_AUTHTOK_EXPIRED, EXPIRED, EXPIRED),
	CODE(PAM_MODULE_UNKNOWN, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_BAD_ITEM, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_CONV_AGAIN, UNAVAILABLE, UNAVAILABLE),
	CODE(PAM_INCOMPLETE, UNAVAILABLE, UNAVAILABLE),
#undef CODE
};

/* Returns the outcome of a PAM code that the function of this step has returned. */
static struct pamauth_result
result_of_code(const char *step, int code, bool afterwards)
{
	/* SECURITY: an unknown code is not success. */
	if (code < 0 || (size_t)code >= sizeof(codes) / sizeof(codes[0]) || codes[code].name == NULL)
		return (struct pamauth_result){ .outcome = OUTCOME_UNAVAILABLE, .reason = "unknown-pam-code", .step = step };
	return (struct pamauth_result){ .outcome = afterwards ? codes[code].afterwards : codes[code].authenticating, .reason = codes[code].name,
	    .step = step };
}

static void
append_text(struct pamauth *p, const char *text)
{
	size_t len = strlen(p->text);

	if (len > 0 && len + 2 < sizeof(p->text)) {
		strcpy(p->text + len, " ");
		len++;
	}
	reply_clean(p->text + len, sizeof(p->text) - len, text);
}

/* Answers one message of a module; answer is set for prompts only. Returns a PAM code. */
static int
answer_message(struct pamauth *p, const struct pam_message *m, char **answer)
{
	switch (m->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		/* SECURITY: only the first module that prompts gets the password. */
		if (p->answered || p->secret == NULL) {
			p->second_prompt = true;
			return PAM_CONV_ERR;
		}
		p->answered = true;
		*answer = strdup(p->secret);
		return *answer != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
	case PAM_PROMPT_ECHO_ON:
		if (p->user[0] == '\0')
			return PAM_CONV_ERR;
		*answer = strdup(p->user);
		return *answer != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		append_text(p, m->msg);
		return PAM_SUCCESS;
	default:
		return PAM_CONV_ERR;
	}
}

/* Conversation function, called by modules (pam_conv(3)). */
static int
converse(int n, const struct pam_message **messages, struct pam_response **responses, void *arg)
{
	struct pam_response *r;
	int i, code = PAM_SUCCESS;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	r = calloc((size_t)n, sizeof(*r));
	if (r == NULL)
		return PAM_BUF_ERR;
	for (i = 0; i < n && code == PAM_SUCCESS; i++)
		code = answer_message(arg, messages[i], &r[i].resp);
	if (code == PAM_SUCCESS) {
		*responses = r;
		return code;
	}
	for (i = 0; i < n; i++) {
		if (r[i].resp != NULL)
			explicit_bzero(r[i].resp, strlen(r[i].resp));
		free(r[i].resp);
	}
	free(r);
	return code;
}

/* Does not delay, in place of PAM: the monitor's delay is the same for all causes. */
static void
no_delay(int code, unsigned usec, void *arg)
{
	(void)code;
	(void)usec;
	(void)arg;
}

bool
pamauth_service_path(const char *confdir, const char *service, size_t i, char path[PATH_MAX])
{
	static const char *const dirs[] = { "/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d", "/usr/share/pam.d" };
	/* Only an included file may have an absolute path. */
	bool one = service[0] == '/' || confdir != NULL;

	if (i >= (one ? 1 : sizeof(dirs) / sizeof(dirs[0])))
		return false;
	if (service[0] == '/')
		snprintf(path, PATH_MAX, "%s", service);
	else
		snprintf(path, PATH_MAX, "%s/%s", one ? confdir : dirs[i], service);
	return true;
}

bool
pamauth_find_service(const struct options *o, const char *service, char path[PATH_MAX])
{
	size_t i;

	for (i = 0; pamauth_service_path(o->pam_confdir, service, i, path); i++)
		if (access(path, R_OK) == 0)
			return true;
	return false;
}

/* Returns whether the service has a file; if it has none, PAM would silently use "other". */
static bool
service_exists(const struct options *o, const char *service)
{
	char path[PATH_MAX];

	if (pamauth_find_service(o, service, path))
		return true;
	return o->pam_confdir == NULL && access("/etc/pam.conf", R_OK) == 0 && access("/etc/pam.d", F_OK) != 0;
}

int
pamauth_begin(const struct options *o, const char *service, const char *user, const struct pam_conv *conv, pam_handle_t **handle)
{
	if (o->pam_confdir != NULL)
		return pam_start_confdir(service, user, conv, o->pam_confdir, handle);
	return pam_start(service, user, conv, handle);
}

static int
pamauth_start(struct pamauth *p, const struct options *o, const struct peer *peer, const char *service)
{
	const struct pam_conv conv = { converse, p };
	int code = pamauth_begin(o, service, p->user[0] != '\0' ? p->user : NULL, &conv, &p->handle);

	/* Modules take a missing PAM_RHOST for a local client. */
	if (code == PAM_SUCCESS && strcmp(peer->ip, "local") != 0)
		code = pam_set_item(p->handle, PAM_RHOST, peer->ip);
	if (code == PAM_SUCCESS)
		code = pam_set_item(p->handle, PAM_TTY, "imap");
	if (code == PAM_SUCCESS)
		code = pam_set_item(p->handle, PAM_FAIL_DELAY, (const void *)no_delay);
	return code;
}

static void
pamauth_finish(struct pamauth *p, int code)
{
	if (p->handle != NULL)
		pam_end(p->handle, code);
	p->handle = NULL;
}

/* Records which PAM function is called next, for the log line of a hang. */
static const char *
begin_step(const char *step)
{
	watchdog_timeout_step(step);
	return step;
}

struct pamauth_result
pamauth_check(struct pamauth *p, const struct options *o, const struct peer *peer, const char *service, const char *user,
    const char *secret)
{
	static char path[PATH_MAX];
	bool afterwards = secret == NULL;
	const char *step = "start", *error;
	int code;

	*p = (struct pamauth){ .secret = secret };
	snprintf(p->user, sizeof(p->user), "%s", user);
	error = lazyload_pam();
	if (error != NULL)
		return (struct pamauth_result){ .outcome = OUTCOME_UNAVAILABLE, .reason = "no-libpam", .error = error };
	if (!service_exists(o, service)) {
		pamauth_service_path(o->pam_confdir, service, 0, path);
		return (struct pamauth_result){ .outcome = OUTCOME_UNAVAILABLE, .reason = "no-pam-service", .path = path };
	}
	code = pamauth_start(p, o, peer, service);
	p->asked = code == PAM_SUCCESS && secret != NULL;
	if (p->asked) {
		step = begin_step("authenticate");
		code = pam_authenticate(p->handle, PAM_DISALLOW_NULL_AUTHTOK);
	}
	/*
	 * A module that failed because its second prompt was not answered has refused the login,
	 * whatever code it returned.
	 */
	p->secret = NULL;
	p->authenticated = code == PAM_SUCCESS;
	if (code == PAM_SUCCESS) {
		afterwards = true;
		step = begin_step("account");
		code = pam_acct_mgmt(p->handle, PAM_DISALLOW_NULL_AUTHTOK);
	}
	if (code != PAM_SUCCESS)
		pamauth_finish(p, code);
	if (code != PAM_SUCCESS && p->second_prompt)
		return (struct pamauth_result){ .outcome = OUTCOME_UNAVAILABLE, .reason = "second-prompt", .step = step };
	return result_of_code(step, code, afterwards);
}

const char *
pamauth_user(const struct pamauth *p)
{
	const void *item = NULL;

	if (pam_get_item(p->handle, PAM_USER, &item) != PAM_SUCCESS || item == NULL)
		return "";
	return item;
}

struct pamauth_result
pamauth_open(struct pamauth *p, const struct options *o)
{
	const char *step = begin_step("credentials");
	struct pamauth_result result;
	int code = pam_setcred(p->handle, PAM_ESTABLISH_CRED);

	p->credentials = code == PAM_SUCCESS;
	if (code == PAM_SUCCESS && o->pam_session != PAM_SESSION_NONE) {
		step = begin_step("session");
		code = pam_open_session(p->handle, 0);
		p->session = code == PAM_SUCCESS;
	}
	result = result_of_code(step, code, true);
	if (code != PAM_SUCCESS)
		pamauth_close(p);
	return result;
}

char **
pamauth_environment(const struct pamauth *p)
{
	return pam_getenvlist(p->handle);
}

const char *
pamauth_close(struct pamauth *p)
{
	int session = PAM_SUCCESS, credentials = PAM_SUCCESS;

	if (p->session)
		session = pam_close_session(p->handle, 0);
	if (p->credentials)
		credentials = pam_setcred(p->handle, PAM_DELETE_CRED);
	p->session = p->credentials = false;
	pamauth_finish(p, session != PAM_SUCCESS ? session : credentials);
	if (session == PAM_SUCCESS && credentials == PAM_SUCCESS)
		return NULL;
	return result_of_code(NULL, session != PAM_SUCCESS ? session : credentials, true).reason;
}

void
pamauth_detach(struct pamauth *p)
{
	p->session = p->credentials = false;
	pamauth_finish(p, PAM_SUCCESS | PAM_DATA_SILENT);
}
