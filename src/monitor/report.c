/*
 * Log lines, see report.h. Run by the monitor.
 */

#include "monitor/report.h"

#include <string.h>

#include "childexit.h"
#include "gatelog.h"
#include "proto/reply.h"

static void
login_line(struct log_line *l, const struct msg_login *login, const struct pamauth_verdict *verdict, const char *user, unsigned attempt)
{
	bool ok = verdict->outcome == OUTCOME_OK;

	log_begin(l, ok ? LOG_INFO : verdict->outcome == OUTCOME_UNAVAILABLE ? LOG_ERR : LOG_NOTICE, ok ? "auth-ok" : "auth-fail");
	if (!ok)
		log_field(l, "code", "%s", reply_outcome(verdict->outcome)->code);
	log_field(l, "mech", "%s", admission_mechanism(login->mechanism));
	if (!ok) {
		log_field(l, "attempt", "%u", attempt);
		log_field(l, "reason", "%s", verdict->reason);
		if (verdict->repeated)
			log_field(l, "repeated", "yes");
	}
	log_quoted(l, "user", user, strlen(user));
}

void
report_login(const struct msg_login *login, const struct pamauth_verdict *verdict, const char *user, unsigned attempt)
{
	struct log_line l;

	login_line(&l, login, verdict, user, attempt);
	log_write(&l);
}

static const char *
how_name(enum msg_how how)
{
	switch (how) {
	case HOW_EXEC:
		return "exec";
	case HOW_KTLS:
		return "ktls";
	case HOW_RELAY:
		return "relay";
	case HOW_TUNNEL:
		return "tunnel";
	}
	bug("unknown how %d", (int)how);
}

void
report_login_late(struct log_line *l, const struct msg_login *login, unsigned attempt)
{
	const struct pamauth_verdict verdict = { .outcome = OUTCOME_UNAVAILABLE, .reason = "deadline" };

	login_line(l, login, &verdict, login->authcid, attempt);
}

void
report_handoff(const struct options *o, const struct account *a, enum msg_how how, enum msg_why why)
{
	struct log_line l;

	if (gatelog_why(why) == NULL)
		bug("unknown why %d", (int)why);
	log_begin(&l, LOG_INFO, "handoff");
	log_quoted(&l, "user", a->name, strlen(a->name));
	log_field(&l, "uid", "%u", (unsigned)a->uid);
	log_field(&l, "gid", "%u", (unsigned)a->gid);
	log_field(&l, "how", "%s", how_name(how));
	log_field(&l, "style", "%s", o->handoff == HANDOFF_TAG ? "tag" : "greeting");
	if (how == HOW_RELAY)
		log_field(&l, "why", "%s", gatelog_why(why));
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
report_program_end(const struct account *a, int status, enum msg_said said)
{
	struct log_line l;

	log_begin(&l, said == SAID_NOTHING ? LOG_ERR : LOG_NOTICE, "program-end");
	log_field(&l, "said", "%s", said == SAID_NOTHING ? "nothing" : "unknown");
	childexit_field(&l, status);
	log_quoted(&l, "user", a->name, strlen(a->name));
	log_write(&l);
}

void
report_end_late(struct log_line *l, const char *reason)
{
	log_begin(l, LOG_ERR, "end");
	log_field(l, "reason", "%s", reason);
}
