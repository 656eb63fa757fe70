#ifndef IMAPGATE_MONITOR_ACCOUNTING_H
#define IMAPGATE_MONITOR_ACCOUNTING_H

/*
 * Messages from a monitor to its listener (boundary/account.h). Without a listener nothing is
 * sent, and no limit applies.
 */

#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"

/*
 * Sets the listener's descriptor and the keys of the spawn message. Call it once, before the
 * other functions; not at all without a listener.
 */
void	accounting_init(int fd, const uint8_t failure_key[MSG_KEY_SIZE], const uint8_t account_key[MSG_KEY_SIZE]);

/* Has OpenSSL look up its HMAC once, for all processes that are forked from this one. */
void	accounting_warm_up(void);

/* Returns whether there is a listener. */
bool	accounting_has_listener(void);

/*
 * Reports a failed login that began at this time (clock_ms()). Returns how many different
 * failures of the client's address are remembered; 0: none, or no listener.
 */
unsigned	accounting_failed(const struct msg_login *, int64_t began);

/*
 * Reports a successful login: the user as the client named it, and the account. Returns the
 * limit that forbids it, or LIMIT_NONE; then the connection counts as a session, and the
 * listener no longer sends SIGTERM.
 */
enum msg_limit	accounting_logged_in(const char *user, const char *account);

/* Waits until the gate has exited. Returns its status as waitpid(2). There must be a listener. */
int	accounting_wait_for_gate(void);

/* Reports that the mailbox program replaces this process, and closes the descriptor. */
void	accounting_launched(enum msg_transport);

/*
 * Reports that --preauth peer does not know the peer, and closes the descriptor. The listener
 * then starts a gate for the peer.
 */
void	accounting_peer_unknown(void);

/* Closes the descriptor before this process ends, after reporting log lines that were dropped. */
void	accounting_end(void);

#endif
