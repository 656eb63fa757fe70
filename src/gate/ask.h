#ifndef IMAPGATE_GATE_ASK_H
#define IMAPGATE_GATE_ASK_H

/*
 * The gate's questions to the monitor: one function for each that msg.h
 * knows, by the same noun. Each waits for its answer until the login's
 * deadline.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boundary/msg.h"
#include "proto/sasl.h"

/*
 * To be called before the others. Signatures are asked of sign, which may be
 * the monitor's descriptor too.
 */
void	ask_init(int monitor, int sign, int64_t deadline);

/*
 * May this client log in? Malformed credentials are sent as empty ones, so
 * that the monitor counts them and takes its time. The copy that is sent is
 * wiped; wiping cred is the caller's. False if the deadline passed or the
 * monitor has gone: then nothing may be asked any more.
 */
bool	ask_login(enum msg_mechanism, const struct credentials *cred, struct msg_login_answer *);

/* Is the private key number index there, and is this its public half? Fills the reason if not; a monitor logs it and gives an empty one. */
bool	ask_key(uint32_t index, const uint8_t key_digest[MSG_DIGEST], char reason[MSG_REASON_MAX]);

/* A remotekey_sign: asks for a signature. */
size_t	ask_sign(void *, uint32_t index, uint32_t scheme, const uint8_t *tbs, size_t len, uint8_t *signature, size_t size);

/*
 * Have the mailbox program started: this is the last that the monitor hears,
 * but for ask_report_output. For TRANSPORT_RELAY stream is the descriptor of its end of the
 * mailbox program's stream, else -1. False as above.
 */
bool	ask_launch(const struct msg_launch *, int *stream);

/* May the client stay whom the proxy speaks for? Fills the limit that is against it, LIMIT_NONE for none. False as above. */
bool	ask_proxied(const struct proxy *, enum msg_limit *limit);

/* Tell whether the mailbox program has said something; nobody may be left to hear it. */
void	ask_report_output(enum program_output);

/* Tell the administrator. */
void	ask_log(const struct msg_log *);

/* Tell why there is no TLS, in OpenSSL's words or ours. */
void	ask_log_tls_failure(const char *text);

/* For log_sink: the last words of die() and bug(). */
void	ask_log_failure(int priority, const char *text);

#endif
