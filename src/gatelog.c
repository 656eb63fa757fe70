/*
 * Log lines for gates, see gatelog.h. Run by the monitor and the listener, as root. A gate's
 * message is a claim that is checked; its text is escaped.
 */

#include "gatelog.h"

#include <string.h>

#include "proto/sasl.h"
#include "proto/word.h"

const char *
gatelog_obstacle(enum ktls_obstacle obstacle)
{
	switch (obstacle) {
	case OBSTACLE_NONE:
		return "none";
	case OBSTACLE_OFF:
		return "off";
	case OBSTACLE_SOCKET:
		return "socket";
	case OBSTACLE_MODULE:
		return "no-module";
	case OBSTACLE_HALF_CLOSED:
		return "half-closed";
	case OBSTACLE_CIPHER:
		return "cipher";
	case OBSTACLE_FRAGMENT_LENGTH:
		return "fragment-length";
	case OBSTACLE_KEY_UPDATE:
		return "key-update";
	case OBSTACLE_LEFT_OVER:
		return "left-over";
	case OBSTACLE_SECRETS:
		return "no-secrets";
	case OBSTACLE_KERNEL:
		return "kernel";
	}
	return NULL;
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
	case REASON_PROXY_MALFORMED:
		return "proxy-malformed";
	case REASON_PROXY_LATE:
		return "proxy-late";
	case REASON_PROXY_CLOSED:
		return "proxy-closed";
	}
	return NULL;
}

/* Writes a line with the number of events that it stands for; none for 0. */
static void
write_times(struct log_line *l, unsigned times)
{
	if (times > 1)
		log_field(l, "times", "%u", times);
	if (times > 0)
		log_write(l);
}

void
gatelog_tls_failure(const char *text, unsigned times)
{
	struct log_line l;

	log_begin(&l, LOG_NOTICE, "tls-fail");
	log_text(&l, "reason", text);
	write_times(&l, times);
}

static bool
write_refused_login(const struct msg_log *log, unsigned times)
{
	const char *mechanism = sasl_log_name(log->mechanism);
	struct log_line l;

	if (mechanism == NULL)
		return false;
	log_begin(&l, LOG_NOTICE, "auth-refused");
	if (log->needs_tls)
		log_field(&l, "code", "PRIVACYREQUIRED");
	else
		log_field(&l, "reason", "unsupported-mechanism");
	log_field(&l, "mech", "%s", mechanism);
	if (log->needs_tls)
		log_field(&l, "exposed", "%s", log->exposed ? "yes" : "no");
	if (times > 1)
		log_field(&l, "times", "%u", times);
	if (log->needs_tls)
		log_quoted(&l, "user", log->text, strlen(log->text));
	if (times > 0)
		log_write(&l);
	return true;
}

/* A malformed or missing PROXY header is an error of the proxy's configuration. */
static int
end_priority(enum msg_reason reason)
{
	return reason == REASON_PROXY_MALFORMED || reason == REASON_PROXY_LATE ? LOG_ERR : LOG_INFO;
}

static bool
write_end(const struct msg_log *log, unsigned times)
{
	const char *reason = reason_name((enum msg_reason)log->reason);
	const char *obstacle = log->reason == REASON_NO_KTLS ? gatelog_obstacle((enum ktls_obstacle)log->obstacle) : "";
	struct log_line l;

	if (reason == NULL || obstacle == NULL)
		return false;
	log_begin(&l, end_priority((enum msg_reason)log->reason), "end");
	log_field(&l, "reason", "%s", reason);
	if (obstacle[0] != '\0')
		log_field(&l, "why", "%s", obstacle);
	if (log->reason < REASON_PROXY_MALFORMED) {
		log_field(&l, "commands", "%u", log->commands);
		log_field(&l, "bad", "%u", log->bad);
		if (log->refused > 0)
			log_field(&l, "refused", "%u", log->refused);
	}
	write_times(&l, times);
	return true;
}

static void
write_failure(int priority, const char *event, const char *text)
{
	struct log_line l;

	log_begin(&l, priority, event);
	log_text(&l, "text", text);
	log_write(&l);
}

void
gatelog_died(int status)
{
	struct log_line l;

	log_begin(&l, LOG_ERR, "end");
	log_field(&l, "reason", "gate-died");
	log_field(&l, "status", "%d", status);
	log_write(&l);
}

void
gatelog_end(const char *reason, unsigned times)
{
	struct log_line l;

	log_begin(&l, LOG_NOTICE, "end");
	log_field(&l, "reason", "%s", reason);
	write_times(&l, times);
}

void
gatelog_bug(const char *text)
{
	write_failure(LOG_CRIT, "bug", text);
}

enum gatelog
gatelog_write(const struct msg_log *log, unsigned times)
{
	switch ((enum msg_event)log->event) {
	case EVENT_TLS:
		return word_is_plain(log->tls.protocol) && word_is_plain(log->tls.cipher) ? GATELOG_CONTINUES : GATELOG_INVALID;
	case EVENT_TLS_FAIL:
		gatelog_tls_failure(log->text, times);
		return GATELOG_CONTINUES;
	case EVENT_AUTH_REFUSED:
		return write_refused_login(log, times) ? GATELOG_CONTINUES : GATELOG_INVALID;
	case EVENT_END:
		return write_end(log, times) ? GATELOG_EXITS : GATELOG_INVALID;
	case EVENT_ERROR:
		write_failure(LOG_ERR, "error", log->text);
		return GATELOG_FAILED;
	case EVENT_BUG:
		gatelog_bug(log->text);
		return GATELOG_FAILED;
	}
	return GATELOG_INVALID;
}
