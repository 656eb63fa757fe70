/*
 * Reading commands and sending replies, see dialogue.h. Run by the gate in its sandbox; reads
 * from the network.
 */

#include "gate/dialogue.h"

#include <unistd.h>

#include "base/log.h"
#include "gate/ask.h"

/* Limit of BAD replies to one client. A cancelled authentication counts too (RFC 9051, 6.2.2). */
#define BAD_MAX		20

void
dialogue_finish(struct imap *s, enum msg_reason reason, const char *bye)
{
	struct msg_log log = { .event = EVENT_END, .reason = reason, .obstacle = s->ktls.obstacle, .commands = s->commands, .bad = s->bad,
	    .refused = s->refused };

	if (bye != NULL)
		reply_data(&s->reply, bye);
	ask_log(&log);
	if (s->reply.len > 0)
		conn_write(&s->conn, s->reply.text, s->reply.len);
	command_reset(&s->command);
	ktls_forget(&s->ktls);
	conn_end(&s->conn);
	_exit(0);
}

/* Ends a dialogue whose connection failed; unsent replies are dropped. */
static void __attribute__((noreturn))
end_lost_connection(struct imap *s, enum conn_end end)
{
	s->reply.len = 0;
	switch (end) {
	case CONN_TIMEOUT:
		dialogue_finish(s, REASON_TIMEOUT, "BYE Too slow; please connect again");
	case CONN_MONITOR_GONE:
		dialogue_finish(s, REASON_DISCONNECTED, "BYE [UNAVAILABLE] Server error; please try again later");
	case CONN_SHUTDOWN:
		dialogue_finish(s, REASON_SHUTDOWN, "BYE [UNAVAILABLE] Server is shutting down; please connect again");
	case CONN_OK:
	case CONN_CLOSED:
		dialogue_finish(s, REASON_DISCONNECTED, NULL);
	}
	bug("unknown end of a connection %d", (int)end);
}

void
dialogue_flush(struct imap *s)
{
	enum conn_end end = conn_write(&s->conn, s->reply.text, s->reply.len);

	if (end != CONN_OK)
		end_lost_connection(s, end);
	s->reply.len = 0;
}

enum next
dialogue_answer(struct imap *s, const char *status, const char *code, const char *text)
{
	reply_line(&s->reply, s->tag, status, code, text);
	return NEXT_COMMAND;
}

enum next
dialogue_answer_bad(struct imap *s, const char *code, const char *text)
{
	reply_line(&s->reply, s->tag[0] != '\0' ? s->tag : "*", "BAD", code, text);
	if (++s->bad >= BAD_MAX)
		dialogue_finish(s, REASON_BAD_COMMANDS, "BYE Too many bad commands");
	return NEXT_COMMAND;
}

enum next
dialogue_deny(struct imap *s, enum permission permission)
{
	switch (permission) {
	case DENIED_PRIVACY:
		return dialogue_answer(s, "NO", "PRIVACYREQUIRED", "Passwords are only taken over TLS");
	case DENIED_UNSUPPORTED:
		/* RFC 9051, 6.2.2 requires NO; no code of RFC 5530 fits. */
		return dialogue_answer(s, "NO", NULL, "Unsupported authentication mechanism");
	case DENIED_UNAVAILABLE:
		return dialogue_answer(s, "NO", "UNAVAILABLE", "TLS is not possible at the moment");
	case DENIED_STATE:
	case PERMITTED:
		break;
	}
	return dialogue_answer_bad(s, NULL, "Command is not possible in this state");
}

bool
dialogue_has_tls(const struct imap *s)
{
	return s->conn.ssl != NULL || s->ucspi_tls.tls.protocol[0] != '\0';
}

bool
dialogue_is_private(const struct imap *s)
{
	return dialogue_has_tls(s) || s->peer->kind != PEER_TCP;
}

/*
 * Returns the reason to end a connection whose input is not IMAP. TLS on the cleartext port has its
 * own, because it is a common mistake in the settings of mail programs.
 */
static enum msg_reason
foreign_reason(const struct imap *s)
{
	bool clear = !dialogue_has_tls(s) && s->peer->kind != PEER_TLS;

	return clear && command_is_tls(&s->command) ? REASON_TLS_ON_CLEAR_PORT : REASON_NOT_IMAP;
}

enum command_event
dialogue_receive(struct imap *s)
{
	enum command_event event;
	enum conn_end end;
	size_t used;

	do {
		end = conn_peek(&s->conn);
		if (end != CONN_OK)
			end_lost_connection(s, end);
		event = command_feed(&s->command, s->conn.peek, s->conn.peeked, &used);
		conn_consume(&s->conn, used);
		if (s->commands == 0 && command_is_foreign(&s->command))
			dialogue_finish(s, foreign_reason(s), "BYE This is an IMAP server");
	} while (event == COMMAND_MORE);
	if (event == COMMAND_FLOOD)
		dialogue_finish(s, REASON_LITERAL_TOO_BIG, "BYE [TOOBIG] Literal too big");
	return event;
}

