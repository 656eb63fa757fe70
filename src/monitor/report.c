/* Log lines of the monitor, see report.h. Run by the monitor, as root. */

#include "monitor/report.h"

#include <string.h>

#include "base/childexit.h"
#include "gatelog.h"
#include "proto/reply.h"

/*
 * Returns whether the text contains the password. SECURITY: modules and their configuration
 * choose the text.
 */
static bool
repeats_secret(const char *text, const struct msg_login *login)
{
	char cleaned[MSG_SECRET_MAX];
	bool found;

	if (login->secret[0] == '\0')
		return false;
	reply_clean(cleaned, sizeof(cleaned), login->secret);
	found = strstr(text, login->secret) != NULL || (cleaned[0] != '\0' && strstr(text, cleaned) != NULL);
	explicit_bzero(cleaned, sizeof(cleaned));
	return found;
}

/* Adds fields that may be cut. Call it after the user name, which must fit into the line. */
static void
add_details(struct log_line *l, const struct msg_login *login, const struct pamauth_result *result)
{
	if (result->text != NULL && result->text[0] != '\0')
		log_text(l, "text", repeats_secret(result->text, login) ? "(not shown: the password is in it)" : result->text);
	if (result->path != NULL)
		log_text(l, "path", result->path);
	if (result->error != NULL)
		log_text(l, "error", result->error);
}

static void
fill_login_line(struct log_line *l, const struct msg_login *login, const struct pamauth_result *result, const char *user, unsigned attempt)
{
	bool ok = result->outcome == OUTCOME_OK;

	log_begin(l, ok ? LOG_INFO : result->outcome == OUTCOME_UNAVAILABLE ? LOG_ERR : LOG_NOTICE, ok ? "auth-ok" : "auth-fail");
	if (!ok)
		log_field(l, "code", "%s", reply_outcome(result->outcome)->code);
	log_field(l, "mech", "%s", authorize_mechanism(login->mechanism));
	if (!ok) {
		log_field(l, "attempt", "%u", attempt);
		if (result->step != NULL)
			log_field(l, "step", "%s", result->step);
		log_field(l, "reason", "%s", result->reason);
		if (result->repeated)
			log_field(l, "repeated", "yes");
	}
	log_quoted(l, "user", user, strlen(user));
	if (!ok)
		add_details(l, login, result);
}

void
report_login(const struct msg_login *login, const struct pamauth_result *result, const char *user, unsigned attempt)
{
	struct log_line l;

	fill_login_line(&l, login, result, user, attempt);
	log_write(&l);
}

static const char *
transport_name(enum msg_transport transport)
{
	switch (transport) {
	case TRANSPORT_SOCKET:
		return "exec";
	case TRANSPORT_KTLS:
		return "ktls";
	case TRANSPORT_RELAY:
		return "relay";
	case TRANSPORT_UCSPI_TLS:
		return "tunnel";
	}
	bug("unknown transport %d", (int)transport);
}

void
report_login_timeout(struct log_line *l, const struct msg_login *login, unsigned attempt, const char *step)
{
	const struct pamauth_result result = { .outcome = OUTCOME_UNAVAILABLE, .reason = "deadline", .step = step };

	fill_login_line(l, login, &result, login->authcid, attempt);
}

void
report_handoff(const struct options *o, const struct account *a, enum msg_transport transport, enum ktls_obstacle obstacle)
{
	struct log_line l;

	if (gatelog_obstacle(obstacle) == NULL)
		bug("unknown obstacle %d", (int)obstacle);
	log_begin(&l, LOG_INFO, "handoff");
	log_quoted(&l, "user", a->name, strlen(a->name));
	log_field(&l, "uid", "%u", (unsigned)a->uid);
	log_field(&l, "gid", "%u", (unsigned)a->gid);
	log_field(&l, "how", "%s", transport_name(transport));
	log_field(&l, "style", "%s", o->handoff == GREETING_STYLE_TAG ? "tag" : "greeting");
	if (transport == TRANSPORT_RELAY)
		log_field(&l, "why", "%s", gatelog_obstacle(obstacle));
	log_text(&l, "program", o->program[0]);
	log_write(&l);
}

void
report_session_failure(struct log_line *l, const struct account *a, const char *reason)
{
	log_begin(l, LOG_ERR, "session-fail");
	log_field(l, "reason", "%s", reason);
	log_quoted(l, "user", a->name, strlen(a->name));
}

void
report_program_end(const struct account *a, int status, enum program_output output)
{
	struct log_line l;

	log_begin(&l, output == OUTPUT_NONE ? LOG_ERR : LOG_NOTICE, "program-end");
	log_field(&l, "said", "%s", output == OUTPUT_NONE ? "nothing" : "unknown");
	childexit_field(&l, status);
	log_quoted(&l, "user", a->name, strlen(a->name));
	log_write(&l);
}

void
report_end_timeout(struct log_line *l, const char *reason)
{
	log_begin(l, LOG_ERR, "end");
	log_field(l, "reason", "%s", reason);
}
