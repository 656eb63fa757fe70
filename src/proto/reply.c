/*
 * Replies, see reply.h. Run by the gate in its sandbox, and by the monitor and the keeper. Pure.
 * All lines are made here, so that each is well-formed and no input of a client can end one
 * early.
 */

#include "proto/reply.h"

#include <resolv.h>
#include <string.h>

#include "proto/utf8.h"

/*
 * Octets of the longest challenge that can be encoded; OAuth's failure challenges are the
 * longest ones in use.
 */
#define CHALLENGE_MAX	192

static const struct reply_words outcomes[] = {
	[OUTCOME_AUTHENTICATIONFAILED] = { "AUTHENTICATIONFAILED", "Authentication failed" },
	[OUTCOME_AUTHORIZATIONFAILED] = { "AUTHORIZATIONFAILED", "You may not act as that user" },
	[OUTCOME_EXPIRED] = { "EXPIRED", "Your password or account has expired" },
	[OUTCOME_CONTACTADMIN] = { "CONTACTADMIN", "Access is denied; please ask your administrator" },
	[OUTCOME_UNAVAILABLE] = { "UNAVAILABLE", "Login is not possible at the moment; please try again later" },
	[OUTCOME_LIMIT] = { "LIMIT", "There are too many sessions; please try again later" },
};

const struct reply_words *
reply_outcome(uint32_t outcome)
{
	if (outcome >= sizeof(outcomes) / sizeof(outcomes[0]) || outcomes[outcome].code == NULL)
		return NULL;
	return &outcomes[outcome];
}

/* Appends the parts and CR LF, or nothing if they do not fit. */
static void
add_line(struct reply *r, const char *const parts[], size_t n)
{
	size_t i, len, total = 2;

	for (i = 0; i < n; i++)
		total += strlen(parts[i]);
	if (total > sizeof(r->text) - r->len) {
		r->cut = true;
		return;
	}
	for (i = 0; i < n; i++) {
		len = strlen(parts[i]);
		memcpy(r->text + r->len, parts[i], len);
		r->len += len;
	}
	memcpy(r->text + r->len, "\r\n", 2);
	r->len += 2;
}

void
reply_line(struct reply *r, const char *tag, const char *status, const char *code, const char *text)
{
	char clean[1024];

	reply_clean(clean, sizeof(clean), text);
	/* RFC 9051, 9: text is 1*TEXT-CHAR. */
	if (clean[0] == '\0')
		strcpy(clean, "...");
	if (code != NULL)
		add_line(r, (const char *const[]){ tag, " ", status, " [", code, "] ", clean }, 7);
	else
		add_line(r, (const char *const[]){ tag, " ", status, " ", clean }, 5);
}

void
reply_data(struct reply *r, const char *data)
{
	add_line(r, (const char *const[]){ "* ", data }, 2);
}

void
reply_no_mailbox(struct reply *r, const char *tag)
{
	if (tag[0] != '\0')
		reply_line(r, tag, "NO", "UNAVAILABLE", "Your mailbox can't be opened at the moment");
	reply_data(r, "BYE [UNAVAILABLE] Please try again later");
}

void
reply_continue(struct reply *r, const char *text)
{
	add_line(r, (const char *const[]){ "+ ", text }, 2);
}

void
reply_challenge(struct reply *r, const char *challenge, size_t len)
{
	char base64[CHALLENGE_MAX / 3 * 4 + 1];

	if (len > CHALLENGE_MAX) {
		r->cut = true;
		return;
	}
	b64_ntop((const unsigned char *)challenge, len, base64, sizeof(base64));
	add_line(r, (const char *const[]){ "+ ", base64 }, 2);
}

void
reply_prefix(struct reply *r, const char *tag)
{
	size_t before = r->len;

	add_line(r, (const char *const[]){ tag, " OK " }, 2);
	if (r->len > before)
		r->len -= 2;
}

void
reply_clean(char *dst, size_t size, const char *text)
{
	size_t len = strlen(text), room = size - 1, at = 0, octets;
	bool space = false;

	while (at < len) {
		octets = utf8_sequence(text + at, len - at);
		if (text[at] == ' ' || utf8_is_control(text + at, octets)) {
			space = true;
			at += octets;
			continue;
		}
		/* A space is copied only before another character, so both ends are trimmed. */
		if (room < (octets > 0 ? octets : 1) + (space ? 1 : 0))
			break;
		if (space && room < size - 1) {
			*dst++ = ' ';
			room--;
		}
		space = false;
		if (octets == 0) {
			*dst++ = '?';
			room--;
			at++;
			continue;
		}
		memcpy(dst, text + at, octets);
		dst += octets;
		room -= octets;
		at += octets;
	}
	*dst = '\0';
}
