#ifndef IMAPGATE_PROTO_COMMAND_H
#define IMAPGATE_PROTO_COMMAND_H

/*
 * IMAP commands, from bytes to values (RFC 9051, 2.2.1 and 9). Bytes are fed
 * in any slices; the parser says how many of them belong to the command, and
 * never takes one that lies behind it: that one may be the mailbox program's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All lines and literals of one command; RFC 2683, 3.2.1.5 wants 8000 octets of line, an OAuth token of 8 KiB needs 11000. */
#define COMMAND_TEXT_MAX	65536
/* The longest literal. Nothing before the login needs more, and it is what LITERAL- allows (RFC 7888, 5). */
#define COMMAND_LITERAL_MAX	4096
#define COMMAND_TAG_MAX		128
/* The longest string that is kept; longer ones are measured only. pam_unix takes passwords of 511 octets. */
#define COMMAND_STRING_MAX	511
/* The longest command word, ours is AUTHENTICATE. */
#define COMMAND_WORD_MAX	32

/* What feeding has come to. */
enum command_event {
	COMMAND_MORE,		/* not at an end yet */
	COMMAND_LITERAL,	/* a synchronizing literal is announced: the client waits for "+" or for a refusal */
	COMMAND_LITERAL_BIG,	/* likewise, but it is over the limit and has to be refused */
	COMMAND_READY,		/* the whole command is here */
	COMMAND_TOO_LONG,	/* the command has ended and was too long */
	COMMAND_FLOOD,		/* a literal over the limit comes unasked ("{n+}"): there is no way back into step but n octets */
};

/* What an argument parser finds. */
enum command_verdict {
	COMMAND_GOOD,
	COMMAND_BAD,
	COMMAND_UNFINISHED,	/* good so far: the next argument is the literal that was announced */
};

/* How far a line has come in announcing a literal: "{", digits, "+", "}", CR. */
enum command_brace {
	BRACE_NONE,
	BRACE_OPEN,
	BRACE_DIGITS,
	BRACE_PLUS,
	BRACE_CLOSED,
	BRACE_CR,		/* closed, and CR behind it */
};

/* A literal that a line may be announcing, followed octet by octet, so that a line can be too long to be kept. */
struct command_announcement {
	enum command_brace	brace;
	bool			synchronizing;	/* without "+": the client waits to be invited */
	size_t			octets;		/* no more than COMMAND_LITERAL_MAX + 1, which stands for all that is larger */
};

/* A command as it comes in. Only strict may be set from outside. */
struct command {
	bool	 strict;		/* a space before the line's end is an error */
	bool	 response;		/* expecting a line of a SASL exchange, not a command */
	bool	 too_long;		/* text holds its beginning only */
	size_t	 literal_left;		/* octets of a literal still to come */
	size_t	 line;			/* where the present line begins in text */
	struct command_announcement announcement;
	size_t	 len;
	char	 text[COMMAND_TEXT_MAX]; /* lines end in LF, also where CR LF was sent; literals follow their "{n}" LF */
};

/* A string argument: its length, and its octets if it is no longer than COMMAND_STRING_MAX. */
struct command_string {
	size_t	 len;
	char	 text[COMMAND_STRING_MAX + 1];
};

/* Part of a command's text. */
struct command_span {
	const char	*text;
	size_t		 len;
};

/* Forgets and wipes what came in and waits for a new command. The first time the struct must be all zero. */
void	command_reset(struct command *);

/* Forgets and wipes what came in and waits for one line of a SASL exchange (RFC 9051, 6.2.2): no tag, no literals. */
void	command_reset_response(struct command *);

/*
 * Takes bytes until something has to be done, and puts into used how many
 * it took (all of them, or up to the end of a line). After COMMAND_LITERAL
 * go on feeding if the literal was invited, else reset. A line may end in
 * LF alone (house rule; RFC 9051, 9 has CR LF).
 */
enum command_event	command_feed(struct command *, const char *bytes, size_t len, size_t *used);

/* Copies the tag. False if there is none that could be repeated in an answer (RFC 9051, 2.2.1). */
bool	command_tag(const struct command *, char tag[COMMAND_TAG_MAX + 1]);

/* Is this a tag? For whoever gets one from elsewhere. */
bool	command_is_tag(const char *);

/* Copies the command's word in upper case. False if there is none; a longer word than ours is cut. */
bool	command_word(const struct command *, char word[COMMAND_WORD_MAX + 1]);

/* The whole line of a SASL exchange, without its end. */
struct command_span	command_response(const struct command *);

/* For commands that have no arguments. */
enum command_verdict	command_nothing(const struct command *);

/* LOGIN SP userid SP password (RFC 9051, 6.2.3), each an atom, a quoted string or a literal. */
enum command_verdict	command_login(const struct command *, struct command_string *user, struct command_string *password);

/*
 * AUTHENTICATE SP mechanism [SP initial-response] (RFC 9051, 6.2.2). The
 * mechanism is in upper case, cut if it is longer than any of ours; initial
 * is still base64, "=" for an empty one, and has text NULL if there is none.
 */
enum command_verdict	command_authenticate(const struct command *, char mechanism[COMMAND_WORD_MAX + 1], struct command_span *initial);

/* ID SP (NIL / parameter list), with the limits of RFC 2971, 3.3. Nothing is kept. */
enum command_verdict	command_id(const struct command *);

/* Is this the beginning of another protocol: HTTP, SMTP, SSH, TLS? Ask it of a connection's first line only. */
bool	command_is_foreign(const struct command *);

/* Is it TLS's? */
bool	command_is_tls(const struct command *);

#endif
