#ifndef IMAPGATE_BOUNDARY_LOGIN_H
#define IMAPGATE_BOUNDARY_LOGIN_H

/*
 * What a gate says to its monitor; under a listener, to that as long as there
 * is no monitor. Text is in arrays and ends in NUL.
 *
 * SECURITY: who hears this is root and must take the gate for an enemy. All
 * that arrives here from the gate is a claim of the client, never a fact.
 */

#include <stdint.h>

#include "proto/proxy.h"

/* Names of 255 octets (RFC 4616, 2), OAuth tokens of 8 KiB, with their NUL. */
#define MSG_NAME_MAX	256
#define MSG_SECRET_MAX	8193
#define MSG_TAG_MAX	129
/* What PAM wants the user to read, as much as fits two lines of an alert box. */
#define MSG_TEXT_MAX	512

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

/* Outcome of a login; RFC 5530 has the words that the client gets. */
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

/* The PROXY header in front of a connection: the first message, or none. */
struct msg_proxied {
	uint32_t	client;			/* enum proxy_client */
	uint32_t	tls;			/* not 0: the proxy's end of a TLS connection */
	struct proxy_end source, destination;	/* with PROXY_TCP */
	char		tls_protocol[16];
	char		tls_cipher[64];
};

struct msg_proxied_answer {
	uint32_t	limit;			/* enum msg_limit (account.h); not 0: the client has to go */
};

/* TLS, as far as the mailbox program may know it. */
struct msg_tls {
	char		protocol[16];		/* "TLSv1.3"; empty without TLS */
	char		cipher[64];
	char		sni[MSG_NAME_MAX];	/* the name that the client asked for, may be empty */
};

/* How the mailbox program gets its client. */
enum msg_transport {
	TRANSPORT_SOCKET = 1,	/* on the client's own socket, without TLS of ours */
	TRANSPORT_KTLS,		/* on the client's own socket, whose TLS is the kernel's from now on */
	TRANSPORT_RELAY,	/* on a socket pair: the gate goes on with the TLS */
	TRANSPORT_UCSPI_TLS,	/* on the descriptors of a superserver that has begun TLS */
};

/* Why it is not the kernel. */
enum ktls_obstacle {
	OBSTACLE_NONE,			/* nothing is against it */
	OBSTACLE_OFF,			/* --ktls off */
	OBSTACLE_SOCKET,		/* the connection is not one TCP socket */
	OBSTACLE_MODULE,		/* the kernel has no TLS, or may not load it */
	OBSTACLE_HALF_CLOSED,		/* the client has said that it sends no more */
	OBSTACLE_CIPHER,		/* not a cipher of the kernel's */
	OBSTACLE_FRAGMENT_LENGTH,	/* the client wants small records (RFC 6066, 4), the kernel makes large ones */
	OBSTACLE_KEY_UPDATE,		/* the secrets that we know are no longer in use (RFC 8446, 4.6.3) */
	OBSTACLE_LEFT_OVER,		/* OpenSSL has decrypted more than the login */
	OBSTACLE_SECRETS,		/* the keys can't be derived */
	OBSTACLE_KERNEL,		/* the kernel does not take them */
};

/* Start the mailbox program. Only TRANSPORT_RELAY has an answer: the relay's end of the stream comes with it. */
struct msg_launch {
	uint32_t	transport;		/* enum msg_transport */
	uint32_t	obstacle;		/* enum ktls_obstacle, with TRANSPORT_RELAY */
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
	REASON_PROXY_MALFORMED,	/* what came is no PROXY header */
	REASON_PROXY_LATE,	/* it has not come in time */
	REASON_PROXY_CLOSED,	/* nor will it */
};

struct msg_log {
	uint32_t	event;		/* enum msg_event */
	uint32_t	reason;		/* enum msg_reason, with EVENT_END */
	uint32_t	obstacle;	/* enum ktls_obstacle, with REASON_NO_KTLS */
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
 * The one thing that a relay tells after the login, to a PAM keeper if there
 * is one. SECURITY: a relay that was taken over can hide or forge one log
 * line about its own session with it, and nothing else.
 */
enum program_output {
	OUTPUT_UNKNOWN,
	OUTPUT_SOME,		/* the mailbox program has written an octet */
	OUTPUT_NONE,		/* it has ended without one */
};

struct msg_program_output {
	uint32_t	output;		/* enum program_output */
};

#endif
