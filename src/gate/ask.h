#ifndef IMAPGATE_GATE_ASK_H
#define IMAPGATE_GATE_ASK_H

/*
 * Messages from a gate to its monitor: one function for each type of boundary/login.h and
 * boundary/sign.h. A function that has an answer waits for it until the login's deadline.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/msg.h"
#include "proto/sasl.h"

/*
 * Sets the descriptors and the deadline (clock_ms()) of all later questions. Questions about
 * private keys go to sign, which may equal monitor. Must be called before any other function here.
 */
void	ask_init(int monitor, int sign, int64_t deadline);

/*
 * Returns whether a question since ask_init() had no answer: the deadline passed, or the receiver
 * has exited. No later question is sent.
 */
bool	ask_is_unanswered(void);

/*
 * Asks whether the client may log in, and fills the answer. Malformed credentials are sent as
 * empty strings, so that the monitor counts and delays the attempt. Wipes the message; the
 * caller wipes the credentials. Returns false if the deadline passed or the monitor has exited;
 * then nothing more may be asked.
 */
bool	ask_login(enum msg_mechanism, const struct credentials *cred, struct msg_login_answer *);

/*
 * Asks whether the private key at this index exists and belongs to the public key with this
 * digest (publickey.h). If not, returns false and fills reason, which is empty from a monitor: a
 * monitor logs the reason itself.
 */
bool	ask_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST_LEN], char reason[MSG_REASON_MAX]);

/* Asks for a signature: a remotekey_sign (remotekey.h) whose first argument is ignored. */
size_t	ask_sign(void *, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size);

/*
 * Asks the monitor to start the mailbox program. Sets stream to the relay's end of the mailbox
 * program's stream with TRANSPORT_RELAY, else to -1. Fails like ask_login(). After success only
 * ask_report_output() may be called.
 */
bool	ask_launch(const struct msg_launch *, int *stream);

/*
 * Sends the PROXY header to the monitor or listener. Sets limit to the limit that rejects the
 * client, or LIMIT_NONE. Fails like ask_login().
 */
bool	ask_proxied(const struct proxy *, enum msg_limit *limit);

/*
 * Reports whether the mailbox program has written anything. Never waits, and ignores a receiver
 * that has exited.
 */
void	ask_report_output(enum program_output);

/* Asks the monitor to log an event. */
void	ask_log(const struct msg_log *);

/* Asks the monitor to log that TLS failed. text is the reason, from OpenSSL or this program. */
void	ask_log_tls_failure(const char *text);

/* Asks the monitor to log the message of die() or bug(). Used as log_sink. */
void	ask_log_failure(int priority, const char *text);

#endif
