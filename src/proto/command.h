#ifndef IMAPGATE_PROTO_COMMAND_H
#define IMAPGATE_PROTO_COMMAND_H

/*
 * Parser for IMAP commands (RFC 9051, 2.2.1 and 9). command_feed() takes octets in pieces of any
 * size, and returns how many belong to the command. No octet is taken after the command's end,
 * which may be for the mailbox program.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Octets of one command, all lines and literals. RFC 2683, 3.2.1.5 asks for lines of 8000; an
 * OAuth token of 8 KiB needs 11000.
 */
#define COMMAND_TEXT_MAX	65536
/*
 * Octets of the longest literal: the limit of LITERAL- (RFC 7888, 5), and enough before the
 * login.
 */
#define COMMAND_LITERAL_MAX	4096
#define COMMAND_TAG_MAX		128
/*
 * Octets of the longest string that is kept; only the length of a longer string is kept. pam_unix
 * takes passwords of 511 octets.
 */
#define COMMAND_STRING_MAX	511
/* Octets of the longest command name that is kept; AUTHENTICATE is the longest known one. */
#define COMMAND_NAME_MAX	32

/* Next action of the caller of command_feed(). */
enum command_event {
	COMMAND_MORE,		/* feed more */
	COMMAND_LITERAL,	/* invite a synchronizing literal with "+", or refuse it */
	COMMAND_LITERAL_BIG,	/* refuse a synchronizing literal, which is over the limit */
	COMMAND_READY,		/* the command is complete */
	COMMAND_TOO_LONG,	/* the command is complete, but was too long */
	COMMAND_FLOOD,		/* end the connection: a non-synchronizing literal is over the limit */
};

/* Result of parsing arguments. */
enum command_outcome {
	COMMAND_GOOD,
	COMMAND_BAD,
	COMMAND_UNFINISHED,	/* correct so far; the announced literal is next */
};

/* State of a line that may announce a literal: "{", digits, "+", "}", CR. */
enum command_brace {
	BRACE_NONE,
	BRACE_OPEN,
	BRACE_DIGITS,
	BRACE_PLUS,
	BRACE_CLOSED,
	BRACE_CR,		/* CR after "}" */
};

/*
 * A literal announced by a line: parsed octet by octet, so that the announcement is found even
 * in a line too long to be kept.
 */
struct command_announcement {
	enum command_brace	brace;
	bool			synchronizing;	/* no "+": the client waits for an invitation */
	size_t			octets;		/* COMMAND_LITERAL_MAX + 1 stands for any larger size */
};

/* A command being received. Callers may set strict only. */
struct command {
	bool	 strict;		/* refuse a space before the line's end */
	bool	 response;		/* receiving a line of a SASL exchange, not a command */
	bool	 too_long;		/* text holds the beginning only */
	size_t	 literal_left;		/* octets of the current literal still to come */
	size_t	 line;			/* start of the current line in text */
	struct command_announcement announcement;
	size_t	 len;
	char	 text[COMMAND_TEXT_MAX]; /* lines end in LF, never CR LF; a literal follows "{n}" LF */
};

/* A string argument; text is complete only if len is at most COMMAND_STRING_MAX. */
struct command_string {
	size_t	 len;
	char	 text[COMMAND_STRING_MAX + 1];
};

/* Part of a command's text. */
struct command_span {
	const char	*text;
	size_t		 len;
};

/*
 * Wipes the text and starts a new command. Must be called before the first use, on a struct of
 * zeros.
 */
void	command_reset(struct command *);

/*
 * Wipes the text and starts a line of a SASL exchange, without tag and literals (RFC 9051,
 * 6.2.2).
 */
void	command_reset_response(struct command *);

/*
 * Takes octets until the caller must act. Sets used to the number taken: all, or up to the end
 * of a line. After COMMAND_LITERAL, feed the literal if it was invited, else reset. A line may
 * end in LF alone, which is more than RFC 9051, 9 allows.
 */
enum command_event	command_feed(struct command *, const char *bytes, size_t len, size_t *used);

/*
 * Copies the tag. Returns false if there is none that may be repeated in a reply (RFC 9051,
 * 2.2.1).
 */
bool	command_tag(const struct command *, char tag[COMMAND_TAG_MAX + 1]);

/* Returns whether a string from another source is a tag. */
bool	command_is_tag(const char *);

/*
 * Copies the command's name in upper case, cut to COMMAND_NAME_MAX octets. Returns false if
 * there is none.
 */
bool	command_name(const struct command *, char name[COMMAND_NAME_MAX + 1]);

/* Returns a line of a SASL exchange, without its end. */
struct command_span	command_response(const struct command *);

/* Parses the arguments of a command that has none. */
enum command_outcome	command_no_arguments(const struct command *);

/*
 * Parses LOGIN SP userid SP password (RFC 9051, 6.2.3), each an atom, a quoted string or a
 * literal.
 */
enum command_outcome	command_login(const struct command *, struct command_string *user, struct command_string *password);

/*
 * Parses AUTHENTICATE SP mechanism [SP initial-response] (RFC 9051, 6.2.2). mechanism is put
 * into upper case and cut to COMMAND_NAME_MAX octets. The initial response is still in
 * base64, "=" if it is empty; its text is NULL if there is none.
 */
enum command_outcome	command_authenticate(const struct command *, char mechanism[COMMAND_NAME_MAX + 1],
	    struct command_span *initial_response);

/* Parses ID SP (NIL / parameter list), with the limits of RFC 2971, 3.3, and keeps nothing. */
enum command_outcome	command_id(const struct command *);

/*
 * Returns whether the text begins another protocol: HTTP, SMTP, SSH, PROXY or TLS. Meant for a
 * connection's first line.
 */
bool	command_is_foreign(const struct command *);

/* Returns whether the text begins with a TLS record. */
bool	command_is_tls(const struct command *);

#endif
