#ifndef IMAPGATE_GATE_DIALOGUE_H
#define IMAPGATE_GATE_DIALOGUE_H

/*
 * State of the IMAP dialogue before the login, and the only code that reads commands and writes
 * replies. Command handlers append a reply and return the next step. dialogue_finish() ends a
 * dialogue that can't continue.
 */

#include <stdbool.h>

#include "base/peer.h"
#include "base/title.h"
#include "boundary/msg.h"
#include "config/options.h"
#include "gate/conn.h"
#include "gate/ktls.h"
#include "gate/ucspitls.h"
#include "proto/command.h"
#include "proto/reply.h"
#include "proto/sasl.h"
#include "tls/tls.h"

/* The step after a command has been answered. */
enum next {
	NEXT_COMMAND,
	NEXT_STARTTLS,
	NEXT_HANDOFF,
};

/* Permission of a well-formed command to run now. */
enum permission {
	PERMITTED,
	DENIED_STATE,		/* not possible in this state */
	DENIED_PRIVACY,		/* a secret would be sent in cleartext */
	DENIED_UNSUPPORTED,	/* no such mechanism, or not for this client */
	DENIED_UNAVAILABLE,	/* right state, but TLS can't be used at the moment */
};

/*
 * State of one connection. Large members come last, here and in the structs that are members: so
 * an idle connection touches few pages of memory.
 */
struct imap {
	const struct options	*opts;
	struct peer		*peer;
	struct tls		*tls;
	bool			 by_superserver; /* the superserver does STARTTLS (ucspi_tls) */
	bool			 has_signer;	/* SANDBOX_SIGN is the pair with the signer */
	enum ktls_obstacle	 no_ktls;	/* obstacle that was known before the first octet */
	struct ktls		 ktls;
	unsigned		 commands;	/* number of commands read */
	unsigned		 bad;		/* number of commands answered BAD */
	unsigned		 refused;	/* number of logins refused without asking the monitor */
	char			 tag[COMMAND_TAG_MAX + 1];
	/* Arguments of the command, stored by its parse function. */
	char			 mechanism[COMMAND_NAME_MAX + 1];
	/* Last response of a SASL exchange in base64; text NULL: no initial response. */
	struct command_span	 response;
	char			 certificate_user[MSG_NAME_MAX]; /* user named by the client's certificate, or "" */
	char			 title_name[TITLE_NAME_MAX + 1]; /* user name as the client sent it, for ps(1) */
	struct conn		 conn;
	struct reply		 reply;		/* replies not sent yet */
	struct command		 command;
	struct command_string	 user, password;
	struct sasl		 sasl;		/* LOGIN uses its credentials only */
	char			 message[SASL_MESSAGE_MAX];
	struct ucspitls		 ucspi_tls;
};

/*
 * Ends a connection before the login and exits: appends bye to the unsent replies (NULL: none),
 * logs one line with the reason, sends all of it and closes. Does not return.
 */
void	dialogue_finish(struct imap *, enum msg_reason, const char *bye) __attribute__((noreturn));

/*
 * Reads until a command is complete or needs an action. Returns any event but COMMAND_MORE and
 * COMMAND_FLOOD; calls dialogue_finish() if the connection is lost, or for COMMAND_FLOOD.
 */
enum command_event	dialogue_receive(struct imap *);

/* Appends the tagged reply to the current command. code may be NULL. Returns NEXT_COMMAND. */
enum next	dialogue_answer(struct imap *, const char *status, const char *code, const char *text);

/*
 * Appends BAD, tagged if the command has a tag. Calls dialogue_finish() after 20 BADs. Returns
 * NEXT_COMMAND.
 */
enum next	dialogue_answer_bad(struct imap *, const char *code, const char *text);

/* Appends the reply to a command that is not permitted now. Returns NEXT_COMMAND. */
enum next	dialogue_deny(struct imap *, enum permission);

/* Sends the appended replies. Calls dialogue_finish() if that fails. */
void	dialogue_flush(struct imap *);

/*
 * Returns whether TLS was begun by the gate, or by the superserver on request (UCSPI-TLS). Returns
 * false for TLS by another process from the first octet on, which is PEER_TLS (peer.h).
 */
bool	dialogue_has_tls(const struct imap *);

/*
 * Returns whether the connection can't be read on the network: TLS by any process, or a
 * connection within this host.
 */
bool	dialogue_is_private(const struct imap *);

#endif
