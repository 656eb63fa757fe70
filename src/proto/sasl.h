#ifndef IMAPGATE_PROTO_SASL_H
#define IMAPGATE_PROTO_SASL_H

/*
 * Mechanisms of AUTHENTICATE (RFC 4422): each is a row of a table and a function that takes one
 * decoded message of the client. Each ends in struct credentials, as does the LOGIN command.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Octets of a decoded message. RFC 4616, 2 asks for 255 in each of three parts; an OAuth token
 * needs the most.
 */
#define SASL_MESSAGE_MAX	12288
#define SASL_NAME_MAX		255
/* Octets that pam_unix takes; no user has a longer password (CVE-2015-3238). */
#define SASL_PASSWORD_MAX	511
/* Octets of an OAuth access token; large providers use about 2 KiB. */
#define SASL_TOKEN_MAX		8192

enum sasl_next {
	SASL_MORE,		/* send the challenge and feed the response */
	SASL_DONE,		/* credentials are filled, perhaps as malformed */
};

/* Credentials that a client has sent. The caller wipes them. */
struct credentials {
	bool	malformed;	/* missing, too long, with NUL, or of another form: the login must fail */
	char	authcid[SASL_NAME_MAX + 1];
	char	authzid[SASL_NAME_MAX + 1];
	char	secret[SASL_TOKEN_MAX + 1];
};

/*
 * The kind of proof that a mechanism uses. A mechanism is advertised only if its proof is possible.
 */
enum sasl_proof {
	SASL_PASSWORD,
	SASL_CERTIFICATE,
	SASL_TOKEN,
};

struct sasl;

struct sasl_mechanism {
	const char	*name;			/* as registered, in upper case */
	int		 id;			/* enum msg_mechanism */
	enum sasl_proof	 proof;
	bool		 server_first;		/* begins with a challenge of the server */
	const char	*failure;		/* challenge after a failure (RFC 7628, 3.2.2), or NULL */
	enum sasl_next	(*step)(struct sasl *, const char *message, size_t len);
};

/* One exchange. */
struct sasl {
	const struct sasl_mechanism	*mechanism;
	unsigned			 steps;		/* number of messages taken */
	const char			*challenge;	/* to be sent after SASL_MORE */
	struct credentials		 credentials;
	/* The server that the client means (RFC 7628, 3.1); empty if it sent none. */
	char				 host[SASL_NAME_MAX + 1];
	char				 port[6];
};

/* All mechanisms, in the order in which they are advertised; a row without a name is the end. */
extern const struct sasl_mechanism sasl_mechanisms[];

/* Returns the mechanism with this name, which is in upper case; NULL if there is none. */
const struct sasl_mechanism	*sasl_find(const char *name);

/*
 * Returns a number for the name of a mechanism in upper case, for the log: also for known
 * mechanisms that are not supported. All other strings share one number.
 */
unsigned	sasl_log_number(const char *name);

/*
 * Returns the name for a number of sasl_log_number(), "other" for strings that are no known
 * mechanism; NULL for an unknown number.
 */
const char	*sasl_log_name(unsigned number);

/*
 * Begins an exchange, and sets challenge, to be sent if there is no initial response. identity is
 * the user that the client's certificate names, or "".
 */
void	sasl_begin(struct sasl *, const struct sasl_mechanism *, const char *identity);

/* Takes one decoded message of the client. Returns whether more are needed. */
enum sasl_next	sasl_step(struct sasl *, const char *message, size_t len);

/* Fills the credentials of a LOGIN command. */
void	sasl_login(struct credentials *, const char *user, size_t user_len, const char *password, size_t password_len);

/*
 * Decodes a line of base64 (RFC 4648, 4) into out, which has SASL_MESSAGE_MAX octets, and sets
 * out_len. Returns false for anything but the canonical encoding: no white space, exact padding,
 * unused bits zero (RFC 9051, 6.2.2: MUST reject).
 */
bool	sasl_decode(const char *base64, size_t len, char *out, size_t *out_len);

/*
 * Returns whether the text may be given to PAM: not empty, valid UTF-8, no control character
 * (RFC 4616, 2).
 */
bool	sasl_is_text(const char *);

/*
 * Returns whether the text may be a user name: sasl_is_text(), and no option, path or pair of
 * fields to any program.
 */
bool	sasl_is_name(const char *);

/* Wipes an exchange and its credentials. */
void	sasl_forget(struct sasl *);

#endif
