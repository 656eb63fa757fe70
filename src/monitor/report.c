/*
 * Log lines, see report.h. Run by the monitor.
 */

#include "monitor/report.h"

#include <string.h>

#include "childexit.h"
#include "proto/reply.h"
#include "proto/sasl.h"
#include "proto/word.h"

/* SECURITY: what modules say is in the administrator's words, or in those of whoever wrote them: it may repeat the password. */
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

/* Behind the user, who must have room in the line. */
static void
add_details(struct log_line *l, const struct msg_login *login, const struct pamauth_verdict *verdict)
{
	if (verdict->text != NULL && verdict->text[0] != '\0')
		log_text(l, "text", repeats_secret(verdict->text, login) ? "(not shown: the password is in it)" : verdict->text);
	if (verdict->path != NULL)
		log_text(l, "path", verdict->path);
	if (verdict->error != NULL)
		log_text(l, "error", verdict->error);
}

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
		if (verdict->step != NULL)
			log_field(l, "step", "%s", verdict->step);
		log_field(l, "reason", "%s", verdict->reason);
		if (verdict->repeated)
			log_field(l, "repeated", "yes");
	}
	log_quoted(l, "user", user, strlen(user));
	if (!ok)
		add_details(l, login, verdict);
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

static const char *
why_name(enum msg_why why)
{
	switch (why) {
	case WHY_NONE:
		return "none";
	case WHY_OFF:
		return "off";
	case WHY_SOCKET:
		return "socket";
	case WHY_MODULE:
		return "no-module";
	case WHY_HALF_CLOSED:
		return "half-closed";
	case WHY_CIPHER:
		return "cipher";
	case WHY_FRAGMENT_LENGTH:
		return "fragment-length";
	case WHY_KEY_UPDATE:
		return "key-update";
	case WHY_LEFT_OVER:
		return "left-over";
	case WHY_SECRETS:
		return "no-secrets";
	case WHY_KERNEL:
		return "kernel";
	}
	bug("unknown why %d", (int)why);
}

void
report_login_late(struct log_line *l, const struct msg_login *login, unsigned attempt, const char *step)
{
	const struct pamauth_verdict verdict = { .outcome = OUTCOME_UNAVAILABLE, .reason = "deadline", .step = step };

	login_line(l, login, &verdict, login->authcid, attempt);
}

void
report_handoff(const struct options *o, const struct account *a, enum msg_how how, enum msg_why why)
{
	struct log_line l;

	log_begin(&l, LOG_INFO, "handoff");
	log_quoted(&l, "user", a->name, strlen(a->name));
	log_field(&l, "uid", "%u", (unsigned)a->uid);
	log_field(&l, "gid", "%u", (unsigned)a->gid);
	log_field(&l, "how", "%s", how_name(how));
	log_field(&l, "style", "%s", o->handoff == HANDOFF_TAG ? "tag" : "greeting");
	if (how == HOW_RELAY)
		log_field(&l, "why", "%s", why_name(why));
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

/* Writes a line that stands for so many of its kind. */
static void
write_times(struct log_line *l, unsigned times)
{
	if (times > 1)
		log_field(l, "times", "%u", times);
	if (times > 0)
		log_write(l);
}

void
report_tls_failure(const char *text, unsigned times)
{
	struct log_line l;

	log_begin(&l, LOG_NOTICE, "tls-fail");
	log_text(&l, "reason", text);
	write_times(&l, times);
}

void
report_auth_refused(const struct msg_log *log, unsigned times)
{
	const char *mechanism = sasl_log_name(log->mechanism);
	struct log_line l;

	if (mechanism == NULL)
		bug("gate names no mechanism");
	log_begin(&l, LOG_NOTICE, "auth-refused");
	if (log->cleartext)
		log_field(&l, "code", "PRIVACYREQUIRED");
	else
		log_field(&l, "reason", "unsupported-mechanism");
	log_field(&l, "mech", "%s", mechanism);
	if (log->cleartext)
		log_field(&l, "exposed", "%s", log->exposed ? "yes" : "no");
	if (times > 1)
		log_field(&l, "times", "%u", times);
	if (log->cleartext)
		log_quoted(&l, "user", log->text, strlen(log->text));
	if (times > 0)
		log_write(&l);
}

void
report_tls(const struct msg_tls *tls)
{
	if (!word_is_plain(tls->protocol) || !word_is_plain(tls->cipher))
		bug("gate sent no cipher's name");
	log_context("tls", tls->protocol);
	log_context("cipher", tls->cipher);
}

static const char *
reason_name(enum msg_reason reason)
{
	switch (reason) {
	case REASON_LOGOUT:
		return "logout";
	case REASON_DISCONNECTED:
		return "disconnected";
	case REASON_TIMEOUT:
		return "timeout";
	case REASON_ATTEMPTS:
		return "too-many-attempts";
	case REASON_BAD_COMMANDS:
		return "too-many-bad-commands";
	case REASON_NOT_IMAP:
		return "not-imap";
	case REASON_LITERAL_TOO_BIG:
		return "literal-too-big";
	case REASON_TLS_FAILED:
		return "tls-failed";
	case REASON_PREAUTH:
		return "preauth-refused";
	case REASON_NO_KTLS:
		return "no-ktls";
	case REASON_SHUTDOWN:
		return "shutdown";
	case REASON_MONITOR_SLOW:
		return "deadline";
	case REASON_UNAVAILABLE:
		return "unavailable";
	case REASON_TLS_ON_CLEAR_PORT:
		return "tls-on-clear-port";
	}
	bug("unknown reason %d", (int)reason);
}

void
report_end(const struct msg_log *log, unsigned times)
{
	struct log_line l;

	log_begin(&l, LOG_INFO, "end");
	log_field(&l, "reason", "%s", reason_name((enum msg_reason)log->reason));
	if (log->reason == REASON_NO_KTLS)
		log_field(&l, "why", "%s", why_name((enum msg_why)log->why));
	log_field(&l, "commands", "%u", log->commands);
	log_field(&l, "bad", "%u", log->bad);
	if (log->refused > 0)
		log_field(&l, "refused", "%u", log->refused);
	write_times(&l, times);
}

/* SECURITY: a gate that was taken over and says so of itself hides no more than that it has ended: logins have lines of ours. */
unsigned
report_count_end(const struct msg_log *log, const struct board_seat *seat, const struct peer *peer, unsigned attempts)
{
	if (log->commands > 0 || attempts > 0 || log->reason == REASON_SHUTDOWN)
		return 1;
	return board_count_line(seat, BOARD_LINE_END, peer->address);
}

void
report_gate_died(int status)
{
	struct log_line l;

	log_begin(&l, LOG_ERR, "end");
	log_field(&l, "reason", "gate-died");
	log_field(&l, "status", "%d", status);
	log_write(&l);
}

void
report_gate_failure(int priority, const char *event, const char *text)
{
	struct log_line l;

	log_begin(&l, priority, event);
	log_text(&l, "text", text);
	log_write(&l);
}

void
report_end_late(struct log_line *l, const char *reason)
{
	log_begin(l, LOG_ERR, "end");
	log_field(l, "reason", "%s", reason);
}
