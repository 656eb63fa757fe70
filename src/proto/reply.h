#ifndef IMAPGATE_PROTO_REPLY_H
#define IMAPGATE_PROTO_REPLY_H

/*
 * What the server says, put into words and line ends (RFC 9051, 7). Several
 * lines can be collected in one reply, so that they leave in one segment.
 */

#include <stdbool.h>
#include <stddef.h>

#include "boundary/msg.h"

/* Room for two ALERT lines, a capability list and the tagged line. */
#define REPLY_MAX	4096

struct reply {
	size_t	len;
	bool	cut;		/* something did not fit, and was left out as a whole line */
	char	text[REPLY_MAX];
};

/* What a client is told of an outcome that is not OK: code of RFC 5530 and text. One text for all that might tell a guesser something. */
struct reply_words {
	const char	*code;
	const char	*text;
};

/* Finds the words; NULL if this is no outcome, or OK. */
const struct reply_words	*reply_outcome(uint32_t outcome);

/* Adds "TAG STATUS [CODE] TEXT"; code may be NULL, tag is "*" for an untagged line. Text is cleaned by reply_clean's rules. */
void	reply_line(struct reply *, const char *tag, const char *status, const char *code, const char *text);

/* Adds "* CAPABILITY LIST" or "* ID LIST": an untagged line with data. */
void	reply_data(struct reply *, const char *data);

/*
 * Adds what a client is told whose mailbox program can't be had: the answer to
 * its login, unless tag is empty, and BYE (RFC 9051, 7.1.5).
 */
void	reply_no_mailbox(struct reply *, const char *tag);

/* Adds "+ TEXT", which invites a literal (RFC 9051, 7.6). */
void	reply_continue(struct reply *, const char *text);

/* Adds "+ " and the challenge in base64; an empty one is "+ " and nothing (RFC 9051, 9, continue-req). */
void	reply_challenge(struct reply *, const char *challenge, size_t len);

/* Adds "TAG OK " without a line end: the greeting of the mailbox program becomes its text. */
void	reply_prefix(struct reply *, const char *tag);

/*
 * Copies text so that it can stand in a response (RFC 9051, 9: TEXT-CHAR):
 * every run of control characters and line ends becomes one space, what is
 * no valid UTF-8 becomes "?", the ends are trimmed, and it is cut to size.
 */
void	reply_clean(char *dst, size_t size, const char *text);

#endif
