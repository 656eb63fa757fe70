#ifndef IMAPGATE_PROTO_REPLY_H
#define IMAPGATE_PROTO_REPLY_H

/*
 * Replies of the server (RFC 9051, 7). Several lines can be collected in one reply, so that they
 * are sent in one segment.
 */

#include <stdbool.h>
#include <stddef.h>

#include "boundary/msg.h"

/* Room for two ALERT lines, a capability list and the tagged line, in octets. */
#define REPLY_MAX	4096

struct reply {
	size_t	len;
	bool	cut;		/* a line did not fit and was left out */
	char	text[REPLY_MAX];
};

/*
 * Code of RFC 5530 and text for an outcome. Outcomes whose difference would help only an attacker
 * share one text.
 */
struct reply_words {
	const char	*code;
	const char	*text;
};

/*
 * Returns the code and the text for an outcome (enum msg_outcome); NULL for OUTCOME_OK and
 * unknown values.
 */
const struct reply_words	*reply_outcome(uint32_t outcome);

/*
 * Appends "TAG STATUS [CODE] TEXT". tag is "*" for an untagged line, code may be NULL, and text
 * is cleaned by reply_clean().
 */
void	reply_line(struct reply *, const char *tag, const char *status, const char *code, const char *text);

/* Appends an untagged line, such as "* CAPABILITY LIST" or "* ID LIST". */
void	reply_data(struct reply *, const char *data);

/*
 * Appends the reply to a login without a mailbox program: tagged NO, unless tag is empty, and
 * BYE (RFC 9051, 7.1.5).
 */
void	reply_no_mailbox(struct reply *, const char *tag);

/* Appends "+ TEXT", which invites a literal (RFC 9051, 7.6). */
void	reply_continue(struct reply *, const char *text);

/*
 * Appends "+ " and the challenge in base64; an empty one leaves "+ " alone (RFC 9051, 9,
 * continue-req).
 */
void	reply_challenge(struct reply *, const char *challenge, size_t len);

/* Appends "TAG OK " without a line end; the mailbox program's greeting completes the line. */
void	reply_prefix(struct reply *, const char *tag);

/*
 * Copies text for use in a response (TEXT-CHAR of RFC 9051, 9), with NUL, to size octets at
 * most. A run of spaces and control characters becomes one space, an octet of invalid UTF-8
 * becomes "?", and both ends are trimmed.
 */
void	reply_clean(char *dst, size_t size, const char *text);

#endif
