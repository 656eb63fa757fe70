#ifndef IMAPGATE_BOUNDARY_LOGIN_H
#define IMAPGATE_BOUNDARY_LOGIN_H

/*
 * Messages from a gate to its monitor. Under a listener they go to the listener until there is a
 * monitor. Text is in arrays and ends in NUL.
 *
 * SECURITY: the receiver is root and must treat the gate as an attacker. Every value may have been
 * chosen by an attacker.
 */

#include <stdint.h>

#include "config/options.h"
#include "proto/proxy.h"

/* Names of 255 octets (RFC 4616, 2) and OAuth tokens of 8 KiB, with their NUL. */
#define MSG_NAME_MAX	256
#define MSG_SECRET_MAX	8193
/* COMMAND_TAG_MAX (command.h) and a NUL. */
#define MSG_TAG_MAX	129
/* Text of PAM for the user: as much as fits two lines of an alert box. */
#define MSG_TEXT_MAX	512

/* Largest number of EVENT_AUTH_REFUSED messages that a gate sends; EVENT_END has the total. */
#define GATE_REFUSED_LOGS_MAX	3

/*
 * Largest number of MSG_LOG messages of one gate; more are a violation. Besides refused logins
 * that is one EVENT_TLS, one EVENT_TLS_FAIL for the handshake and up to two for each certificate,
 * one EVENT_END, and one EVENT_ERROR or EVENT_BUG, with four to spare.
 */
#define GATE_LOGS_MAX	(4 + GATE_REFUSED_LOGS_MAX + 2 * OPTIONS_CERTS_MAX + 4)

/* How the client authenticates. */
enum msg_mechanism {
	MECH_LOGIN_COMMAND = 1,	/* the LOGIN command, RFC 9051, 6.2.3 */
	MECH_PLAIN,		/* RFC 4616 */
	MECH_LOGIN,		/* draft-murchison-sasl-login-00 */
	MECH_EXTERNAL,		/* the client's certificate, RFC 4422, appendix A */
	MECH_OAUTHBEARER,	/* RFC 7628 */
	MECH_XOAUTH2,		/* predecessor of OAUTHBEARER, as mail providers use it */
	/* None: the client's certificate or peer credentials decide (RFC 9051, 7.1.4). */
	MECH_PREAUTH,
};

/* Outcome of a login. RFC 5530 has the response codes that the client gets. */
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
	/* Authentication identity; "": the client's message was malformed. */
	char		authcid[MSG_NAME_MAX];
	/*
	 * Authorization identity; "": none was sent and the authcid is used (RFC 4616, 2), or the
	 * client's message was malformed.
	 */
	char		authzid[MSG_NAME_MAX];
	char		secret[MSG_SECRET_MAX];	/* password or token; "" with a certificate */
};

struct msg_login_answer {
	uint32_t	outcome;		/* enum msg_outcome */
	uint32_t	no_more_logins;		/* not 0: further attempts are refused */
	/* Text of PAM for the user: printable UTF-8, may be "". */
	char		text[MSG_TEXT_MAX];
};

/* MSG_PROXIED: the connection's PROXY header; the first message, if there is one. */
struct msg_proxied {
	uint32_t	client;			/* enum proxy_client */
	/* Not 0: the client's connection to the proxy is TLS, which ends there. */
	uint32_t	tls;
	struct proxy_endpoint source, destination;	/* with PROXY_TCP */
	char		tls_protocol[16];
	char		tls_cipher[64];
};

struct msg_proxied_answer {
	uint32_t	limit;			/* enum msg_limit; not 0: the gate must exit */
};

/* TLS parameters for the log and the mailbox program. */
struct msg_tls {
	char		protocol[16];		/* such as "TLSv1.3"; "": no TLS */
	char		cipher[64];
	char		sni[MSG_NAME_MAX];	/* server name from the client, may be "" */
};

/* The mailbox program's connection to the client. */
enum msg_transport {
	TRANSPORT_SOCKET = 1,	/* the client's socket, without TLS in this program */
	TRANSPORT_KTLS,		/* the client's socket, with TLS by the kernel */
	TRANSPORT_RELAY,	/* a socket pair: the gate terminates TLS and relays */
	/* Descriptors of a superserver that has begun TLS (UCSPI-TLS). */
	TRANSPORT_UCSPI_TLS,
};

/* Obstacles to TLS by the kernel. */
enum ktls_obstacle {
	OBSTACLE_NONE,			/* nothing */
	OBSTACLE_OFF,			/* --ktls off */
	OBSTACLE_SOCKET,		/* the connection is not one TCP socket */
	OBSTACLE_MODULE,		/* the kernel has no TLS, or may not load its module */
	OBSTACLE_HALF_CLOSED,		/* the client has shut down its sending side */
	OBSTACLE_CIPHER,		/* the kernel does not know the cipher */
	/* The client asks for small records (RFC 6066, 4); the kernel sends large ones. */
	OBSTACLE_FRAGMENT_LENGTH,
	/* The traffic secrets were updated (RFC 8446, 4.6.3). */
	OBSTACLE_KEY_UPDATE,
	/* OpenSSL has already decrypted octets that the mailbox program must read. */
	OBSTACLE_LEFT_OVER,
	OBSTACLE_SECRETS,		/* the keys can't be derived */
	OBSTACLE_KERNEL,		/* the kernel refuses the keys */
};

/*
 * MSG_LAUNCH: start the mailbox program. Only TRANSPORT_RELAY has an answer, which carries the
 * relay's end of the stream.
 */
struct msg_launch {
	uint32_t	transport;		/* enum msg_transport */
	uint32_t	obstacle;		/* enum ktls_obstacle, with TRANSPORT_RELAY */
	/* Tag of the command that the mailbox program answers; "" after MECH_PREAUTH. */
	char		tag[MSG_TAG_MAX];
	struct msg_tls	tls;
};

/* Events that a gate may ask to log. */
enum msg_event {
	EVENT_TLS = 1,		/* handshake finished; tls is filled */
	EVENT_TLS_FAIL,		/* handshake failed, or can't begin; text: the reason */
	EVENT_END,		/* end of the connection before a login */
	EVENT_ERROR,		/* die() in the gate; text: its message */
	EVENT_BUG,		/* bug() in the gate; text: its message */
	/* Login refused without asking the monitor; text: the user name with needs_tls, else "". */
	EVENT_AUTH_REFUSED,
};

/* Reason for the end of a connection before a login. */
enum msg_reason {
	REASON_LOGOUT = 1,
	REASON_DISCONNECTED,
	REASON_TIMEOUT,
	REASON_ATTEMPTS,
	REASON_BAD_COMMANDS,
	REASON_NOT_IMAP,
	REASON_LITERAL_TOO_BIG,
	REASON_TLS_FAILED,
	REASON_PREAUTH,		/* --preauth cert: the certificate's user was refused */
	REASON_NO_KTLS,		/* --ktls require */
	REASON_SHUTDOWN,	/* the service is stopping */
	REASON_MONITOR_SLOW,	/* the deadline passed while waiting for the monitor */
	/* A login failed, and this connection may not try another. */
	REASON_UNAVAILABLE,
	/* The client uses implicit TLS (RFC 8314) on a port without it. */
	REASON_TLS_ON_CLEAR_PORT,
	REASON_PROXY_MALFORMED,	/* the connection does not begin with a PROXY header */
	REASON_PROXY_LATE,	/* the header did not arrive in time */
	REASON_PROXY_CLOSED,	/* the connection was closed before the header */
};

struct msg_log {
	uint32_t	event;		/* enum msg_event */
	uint32_t	reason;		/* enum msg_reason, with EVENT_END */
	uint32_t	obstacle;	/* enum ktls_obstacle, with REASON_NO_KTLS */
	uint32_t	commands;	/* number of commands, with EVENT_END */
	uint32_t	bad;		/* number of them that were answered BAD */
	/* Logins that were refused without asking the monitor, with EVENT_END. */
	uint32_t	refused;
	uint32_t	mechanism;	/* sasl_log_number(), with EVENT_AUTH_REFUSED */
	/* With EVENT_AUTH_REFUSED: not 0 if the mechanism needs TLS, 0 if it is unsupported. */
	uint32_t	needs_tls;
	/* With EVENT_AUTH_REFUSED: not 0 if the client has already sent the password or token. */
	uint32_t	exposed;
	char		text[256];
	struct msg_tls	tls;
};

/*
 * MSG_PROGRAM_OUTPUT: sent once by a relay to the process that closes the PAM session
 * (pamkeeper.h), if there is one.
 *
 * SECURITY: a compromised relay can use it to hide or forge one log line about its own session,
 * nothing else.
 */
enum program_output {
	OUTPUT_UNKNOWN,
	OUTPUT_SOME,		/* the mailbox program has written an octet */
	OUTPUT_NONE,		/* the mailbox program has exited without one */
};

struct msg_program_output {
	uint32_t	output;		/* enum program_output */
};

#endif
