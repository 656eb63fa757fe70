#ifndef IMAPGATE_GATE_DIALOGUE_H
#define IMAPGATE_GATE_DIALOGUE_H

/*
 * The conversation's state, and the one place that reads from the client and
 * speaks to it. Handlers of commands add their answer and return what comes
 * next; where the conversation can't go on, it ends here, in one way.
 */

#include <stdbool.h>

#include "gate/conn.h"
#include "gate/ktls.h"
#include "gate/tls.h"
#include "gate/ucspitls.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "base/peer.h"
#include "proto/command.h"
#include "proto/reply.h"
#include "proto/sasl.h"
#include "base/title.h"

/* What happens next, after a command has been answered. */
enum next {
	NEXT_COMMAND,
	NEXT_STARTTLS,
	NEXT_HANDOFF,
};

/* Why a well-formed command can't be obeyed now. */
enum permission {
	PERMITTED,
	DENIED_STATE,		/* it does not belong here */
	DENIED_PRIVACY,		/* a secret would travel in the clear */
	DENIED_UNSUPPORTED,	/* no such mechanism, for this client at least */
	DENIED_UNAVAILABLE,	/* it would belong here, but this server is not well */
};

/* What is large stands at the end of it, or of its own struct: a client that only waits has touched few pages of it. */
struct imap {
	const struct options	*opts;
	struct peer		*peer;
	struct tls		*tls;
	bool			 by_superserver; /* STARTTLS is its work: ucspi_tls */
	bool			 signed_apart;	/* SANDBOX_SIGN is a signer's */
	enum ktls_obstacle	 no_ktls;	/* as it was before the first byte */
	struct ktls		 ktls;
	unsigned		 commands;	/* read so far */
	unsigned		 bad;		/* of them answered BAD */
	unsigned		 refused;	/* logins refused without the monitor */
	char			 tag[COMMAND_TAG_MAX + 1];
	/* Arguments, as the verb's parse has found them. */
	char			 mechanism[COMMAND_WORD_MAX + 1];
	struct command_span	 initial;
	char			 certificate_user[MSG_NAME_MAX]; /* whom the client's certificate names, or "" */
	char			 title_name[TITLE_NAME + 1]; /* the user that has logged in, as the client said it; for ps(1) */
	struct conn		 conn;
	struct reply		 reply;		/* what has not been sent yet */
	struct command		 command;
	struct command_string	 user, password;
	/* One SASL exchange; a LOGIN command fills its credentials too. */
	struct sasl		 sasl;
	char			 message[SASL_MESSAGE_MAX];
	struct ucspitls		 ucspi_tls;
};

/*
 * The end of a connection that was not logged in: the last word (NULL for
 * none) behind what has not been sent yet, one line in the log, and the
 * process is gone.
 */
void	dialogue_finish(struct imap *, enum msg_reason, const char *bye) __attribute__((noreturn));

/* Receives until a command is complete or wants something done; finishes where nothing more can come. Never COMMAND_MORE or COMMAND_FLOOD. */
enum command_event	dialogue_receive(struct imap *);

/* Adds the tagged answer to the command in hand. Code may be NULL. */
enum next	dialogue_answer(struct imap *, const char *status, const char *code, const char *text);

/* Adds BAD, tagged if there is a tag, and counts it: after too many of them it finishes. */
enum next	dialogue_answer_bad(struct imap *, const char *code, const char *text);

/* Answers a command that can't be obeyed now. */
enum next	dialogue_deny(struct imap *, enum permission);

/* Sends what was added. */
void	dialogue_flush(struct imap *);

/* Is there TLS since the handshake of a STARTTLS or of the beginning, ours or the superserver's? */
bool	dialogue_has_tls(const struct imap *);

/* Can nobody on the way read along: TLS, or a connection within this machine? */
bool	dialogue_is_private(const struct imap *);

#endif
