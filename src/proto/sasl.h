#ifndef IMAPGATE_PROTO_SASL_H
#define IMAPGATE_PROTO_SASL_H

/*
 * The mechanisms of AUTHENTICATE (RFC 4422): each is a row in a table and a
 * function that takes one decoded message of the client. What they all end
 * in is a struct credentials, and the LOGIN command ends in one too.
 */

#include <stdbool.h>
#include <stddef.h>

/* Decoded messages: RFC 4616, 2 wants 255 octets for each of three parts; a line of base64 in COMMAND_TEXT_MAX decodes to 12288. */
#define SASL_MESSAGE_MAX	12288
#define SASL_NAME_MAX		255
/* What pam_unix takes; a longer password is no user's (CVE-2015-3238). */
#define SASL_PASSWORD_MAX	511
/* An OAuth access token: those of large providers have some 2 KiB. */
#define SASL_TOKEN_MAX		8192

enum sasl_next {
	SASL_MORE,		/* send the challenge and feed the response */
	SASL_DONE,		/* credentials are filled, perhaps as malformed */
};

/* Who the client says it is. Whoever had it filled wipes it. */
struct credentials {
	bool	malformed;	/* an empty, overlong, or NUL-holding part, or a message of another form: it can't succeed */
	char	authcid[SASL_NAME_MAX + 1];
	char	authzid[SASL_NAME_MAX + 1];
	char	secret[SASL_TOKEN_MAX + 1];
};

/* By what a mechanism proves who the client is: what must be there before it is on offer. */
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
	bool		 server_first;		/* it begins with a challenge of ours */
	const char	*failure;		/* the challenge that tells of a failure (RFC 7628, 3.2.2), or NULL */
	enum sasl_next	(*step)(struct sasl *, const char *message, size_t len);
};

/* One exchange. */
struct sasl {
	const struct sasl_mechanism	*mechanism;
	unsigned			 steps;		/* messages taken */
	const char			*challenge;	/* to be sent, after SASL_MORE */
	struct credentials		 credentials;
	/* Whom the client thinks it speaks to (RFC 7628, 3.1); empty if it did not say. */
	char				 host[SASL_NAME_MAX + 1];
	char				 port[6];
};

/* All mechanisms, ending in one without a name; in the order in which they are advertised. */
extern const struct sasl_mechanism sasl_mechanisms[];

/* Finds a mechanism by its name in upper case, NULL if there is none. */
const struct sasl_mechanism	*sasl_find(const char *name);

/*
 * Returns a number for a mechanism's name in upper case, known to us or only
 * by name, for a line of the log; all other words have one number in common.
 */
unsigned	sasl_log_number(const char *name);

/* Returns the name that the log has for such a number, "other" for a word that is no mechanism; NULL if there is no such number. */
const char	*sasl_log_name(unsigned number);

/*
 * Begins an exchange; challenge is what to send if the client gave no
 * initial response. Identity is whom the client's certificate names, or "".
 */
void	sasl_begin(struct sasl *, const struct sasl_mechanism *, const char *identity);

/* Takes one decoded message of the client. */
enum sasl_next	sasl_step(struct sasl *, const char *message, size_t len);

/* Fills the credentials of a LOGIN command. */
void	sasl_login(struct credentials *, const char *user, size_t user_len, const char *password, size_t password_len);

/*
 * Decodes one line of base64 (RFC 4648, 4) into out, which has room for
 * SASL_MESSAGE_MAX octets; puts its length into out_len. False for
 * anything but the one canonical encoding: no white space, exact padding,
 * unused bits zero (RFC 9051, 6.2.2: MUST reject).
 */
bool	sasl_decode(const char *base64, size_t len, char *out, size_t *out_len);

/* May this be given to PAM: not empty, valid UTF-8, no control character (RFC 4616, 2)? */
bool	sasl_is_text(const char *);

/* May this be a user's name: text as above, that no program takes for an option, a path or two fields? */
bool	sasl_is_name(const char *);

/* Wipes an exchange with its credentials. */
void	sasl_forget(struct sasl *);

#endif
