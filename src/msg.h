#ifndef IMAPGATE_MSG_H
#define IMAPGATE_MSG_H

/*
 * THE boundary: every message that the gate and the monitor may send each
 * other, on one page. They travel over a SOCK_SEQPACKET pair, so the kernel
 * keeps them apart and there is nothing to parse: a type, then exactly the
 * struct that belongs to it. Text is in arrays and ends in NUL.
 *
 * SECURITY: the monitor is root and must take the gate for an enemy. All that
 * arrives here from the gate is a claim of the client, never a fact.
 */

#include <stddef.h>
#include <stdint.h>

/* Names of 255 octets (RFC 4616, 2), OAuth tokens of 8 KiB, with their NUL. */
#define MSG_NAME_MAX	256
#define MSG_SECRET_MAX	8193
#define MSG_TAG_MAX	129
/* TLS 1.3 signs 64 + 33 + 1 + 64 octets at most, TLS 1.2 64 + 4 + 133 (RFC 8446, 4.4.3; RFC 8422, 5.4). */
#define MSG_TBS_MAX	256
/* An RSA signature of 8192 bits. */
#define MSG_SIGNATURE_MAX 1024
#define MSG_DIGEST	32
/* What PAM wants the user to read, as much as fits two lines of an alert box. */
#define MSG_TEXT_MAX	512
/* Words of ours about a private key, see sign.h. */
#define MSG_REASON_MAX	256

/* Questions are even, their answers odd; 0 is nothing. */
enum msg_type {
	MSG_LOGIN = 2,		/* may this client log in? */
	MSG_LOGIN_ANSWER = 3,
	MSG_KEY = 4,		/* do you hold the private key of this certificate? */
	MSG_KEY_ANSWER = 5,
	MSG_SIGN = 6,		/* sign this part of a TLS handshake */
	MSG_SIGN_ANSWER = 7,
	MSG_LAUNCH = 8,		/* start the mailbox program; no answer, the gate exits or relays */
	MSG_LOG = 10,		/* tell the administrator; no answer */
};

/* How the client proves who it is. */
enum msg_mechanism {
	MECH_LOGIN_COMMAND = 1,	/* the LOGIN command, RFC 9051, 6.2.3 */
	MECH_PLAIN,		/* RFC 4616 */
	MECH_LOGIN,		/* draft-murchison-sasl-login-00 */
	MECH_EXTERNAL,		/* the client's certificate, RFC 4422, appendix A */
	MECH_OAUTHBEARER,	/* RFC 7628 */
	MECH_XOAUTH2,		/* its predecessor, as mail providers use it */
	MECH_PREAUTH,		/* nothing was said: certificate or peer credentials, RFC 9051, 7.1.4 */
};

/* What became of a login; RFC 5530 has the words that the client gets. */
enum msg_outcome {
	OUTCOME_OK = 1,
	OUTCOME_AUTHENTICATIONFAILED,
	OUTCOME_AUTHORIZATIONFAILED,
	OUTCOME_EXPIRED,
	OUTCOME_CONTACTADMIN,
	OUTCOME_UNAVAILABLE,
	OUTCOME_LIMIT,
};

struct msg_login {
	uint32_t	mechanism;		/* enum msg_mechanism */
	char		authcid[MSG_NAME_MAX];	/* who; empty if what the client sent was malformed */
	char		authzid[MSG_NAME_MAX];	/* as whom; empty for the same */
	char		secret[MSG_SECRET_MAX];	/* password or token; empty where a certificate stands for it */
};

struct msg_login_answer {
	uint32_t	outcome;		/* enum msg_outcome */
	uint32_t	last;			/* not 0: no further attempt will be heard */
	char		text[MSG_TEXT_MAX];	/* what PAM wants the user to read: printable UTF-8, may be empty */
};

struct msg_key {
	uint32_t	index;			/* of the certificate, in the order of --cert */
	uint8_t		key_digest[MSG_DIGEST];	/* of its public key (publickey.h) */
};

struct msg_key_answer {
	uint32_t	held;			/* not 0: yes, and it fits */
	char		reason[MSG_REASON_MAX];	/* why not, from a key holder; empty to the gate */
};

struct msg_sign {
	uint32_t	index;			/* which key */
	uint32_t	scheme;			/* TLS SignatureScheme, RFC 8446, 4.2.3 */
	uint32_t	len;
	uint8_t		tbs[MSG_TBS_MAX];	/* what is to be signed, not hashed */
};

struct msg_sign_answer {
	uint32_t	len;			/* 0: there is no signature */
	char		reason[MSG_REASON_MAX];	/* why it was refused, from a key holder; empty to the gate */
	uint8_t		signature[MSG_SIGNATURE_MAX];
};

/* What the mailbox program may know of TLS. */
struct msg_tls {
	char		protocol[16];		/* "TLSv1.3"; empty without TLS */
	char		cipher[64];
	char		sni[MSG_NAME_MAX];	/* the name that the client asked for, may be empty */
};

/* How the mailbox program gets its client. */
enum msg_how {
	HOW_EXEC = 1,		/* on the client's own socket, without TLS of ours */
	HOW_KTLS,		/* on the client's own socket, whose TLS is the kernel's from now on */
	HOW_RELAY,		/* on a socket pair: the gate goes on with the TLS */
	HOW_TUNNEL,		/* on the descriptors of a superserver that has begun TLS */
};

/* Why it is not the kernel. */
enum msg_why {
	WHY_NONE,		/* nothing is against it */
	WHY_OFF,		/* --ktls off */
	WHY_SOCKET,		/* the connection is not one TCP socket */
	WHY_MODULE,		/* the kernel has no TLS, or may not load it */
	WHY_HALF_CLOSED,	/* the client has said that it sends no more */
	WHY_CIPHER,		/* not a cipher of the kernel's */
	WHY_FRAGMENT_LENGTH,	/* the client wants small records (RFC 6066, 4), the kernel makes large ones */
	WHY_KEY_UPDATE,		/* the secrets that we know are no longer in use (RFC 8446, 4.6.3) */
	WHY_LEFT_OVER,		/* OpenSSL has decrypted more than the login */
	WHY_SECRETS,		/* the keys can't be derived */
	WHY_KERNEL,		/* the kernel does not take them */
};

struct msg_launch {
	uint32_t	how;			/* enum msg_how */
	uint32_t	why;			/* enum msg_why, with HOW_RELAY */
	char		tag[MSG_TAG_MAX];	/* the client waits for its answer; empty after MECH_PREAUTH */
	struct msg_tls	tls;
};

/* What the gate may have logged. */
enum msg_event {
	EVENT_TLS = 1,		/* handshake done; tls is filled */
	EVENT_TLS_FAIL,		/* it failed; text says why, in OpenSSL's words */
	EVENT_END,		/* the connection ends before a login */
	EVENT_ERROR,		/* the gate's die(); text is its message */
	EVENT_BUG,		/* the gate's bug() */
	EVENT_AUTH_REFUSED,	/* a login that the monitor was not asked about; text is the user */
};

/* Why a connection ended before a login. */
enum msg_reason {
	REASON_LOGOUT = 1,
	REASON_DISCONNECTED,
	REASON_TIMEOUT,
	REASON_ATTEMPTS,
	REASON_BAD_COMMANDS,
	REASON_NOT_IMAP,
	REASON_LITERAL_TOO_BIG,
	REASON_TLS_FAILED,
	REASON_PREAUTH,		/* known by its certificate, but not let in */
	REASON_NO_KTLS,		/* --ktls require */
	REASON_SHUTDOWN,	/* the service stops */
	REASON_MONITOR_SLOW,	/* the deadline passed while the monitor was asked */
	REASON_UNAVAILABLE,	/* a login failed, and this connection can't have another one */
	REASON_TLS_ON_CLEAR_PORT, /* the client begins with TLS, and this port does not */
};

struct msg_log {
	uint32_t	event;		/* enum msg_event */
	uint32_t	reason;		/* enum msg_reason, with EVENT_END */
	uint32_t	why;		/* enum msg_why, with REASON_NO_KTLS */
	uint32_t	commands;	/* how many were read, with EVENT_END */
	uint32_t	bad;		/* how many of them were answered BAD */
	uint32_t	refused;	/* logins that the monitor was not asked about, with EVENT_END */
	uint32_t	mechanism;	/* sasl_log_number, with EVENT_AUTH_REFUSED */
	uint32_t	cleartext;	/* the same: not 0 if the mechanism was refused for lack of TLS, not for itself */
	uint32_t	exposed;	/* the same: not 0 if the password or token was sent all the same */
	char		text[256];
	struct msg_tls	tls;
};

/*
 * The one thing that a relay tells after the login, in memory that it shares
 * with a PAM keeper. SECURITY: a relay that was taken over can hide or forge
 * one log line about its own session with it, and nothing else.
 */
enum msg_said {
	SAID_UNKNOWN,
	SAID_SOMETHING,		/* the mailbox program has written an octet */
	SAID_NOTHING,		/* it has ended without one */
};

struct msg {
	uint32_t	type;			/* enum msg_type */
	union {
		struct msg_login	login;
		struct msg_login_answer	login_answer;
		struct msg_key		key;
		struct msg_key_answer	key_answer;
		struct msg_sign		sign;
		struct msg_sign_answer	sign_answer;
		struct msg_launch	launch;
		struct msg_log		log;
	} u;
};

/*
 * Makes a message of this type, empty. All that is done to a message is done
 * to as much of it as its type has: a login is 20 times as long as the rest.
 */
void	msg_begin(struct msg *, enum msg_type);

/* Wipes a message that msg_begin or msg_recv has made; passwords are in some. */
void	msg_wipe(struct msg *);

/* Makes the pair: [0] for the monitor, [1] for the gate, both close-on-exec. Returns 0, or -1 with errno. */
int	msg_pair(int pair[2]);

/* Sends a message in the size of its type. Returns 0, or -1 if the other process is gone. */
int	msg_send(int fd, const struct msg *);

/*
 * Receives one message. Returns 1, or 0 if the other process is gone. A
 * message of unknown type, of another size than its type's, with a
 * descriptor attached or with text that does not end in NUL is a bug().
 */
int	msg_recv(int fd, struct msg *);

/*
 * A pair has one asker. Where several processes ask one, each question brings
 * one end of a pair of its own, and its answer comes back there.
 *
 * Asks: the answer takes the question's place. Returns 1, or 0 if the other
 * process is gone or there can be no pair.
 */
int	msg_call(int service, struct msg *);

/*
 * Receives such a question. Returns the descriptor for the one answer, to be
 * closed then; -1 if nobody is left who could ask. What is wrong with a
 * question is a bug(), as above.
 */
int	msg_called(int service, struct msg *);

/* Fills dst (of size octets) with len octets of text and NULs to its end. Returns 0, or -1 if it holds a NUL or does not fit. */
int	msg_text(char *dst, size_t size, const char *text, size_t len);

#endif
