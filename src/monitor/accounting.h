#ifndef IMAPGATE_MONITOR_ACCOUNTING_H
#define IMAPGATE_MONITOR_ACCOUNTING_H

/*
 * What a monitor tells and asks its listener (boundary/account.h). With a
 * superserver there is none: then nothing is told, and nothing is against anybody.
 */

#include <stdbool.h>
#include <stdint.h>

#include "boundary/msg.h"

/* To be called once, where there is a listener: its pair, and the keys of the spawn message. */
void	accounting_init(int fd, const uint8_t failure_key[MSG_KEY_SIZE], const uint8_t account_key[MSG_KEY_SIZE]);

/* Has OpenSSL look up its HMAC once, for all processes that are forked from this one. */
void	accounting_warm_up(void);

/* Tests whether there is a listener. */
bool	accounting_has_listener(void);

/* A login has failed that began then (clock_ms()). Returns how many different failures of this address are remembered; 0: none. */
unsigned	accounting_failed(const struct msg_login *, int64_t began);

/*
 * A login has succeeded, by the name that the client gave, of this account.
 * Returns the limit that is against it; if there is none, it is a session
 * from here on, and SIGTERM will not come from the listener any more.
 */
enum msg_limit	accounting_logged_in(const char *user, const char *account);

/* Returns how the gate has ended (waitpid(2)), as soon as it has. */
int	accounting_wait_for_gate(void);

/* The mailbox program takes this process's place. The listener is not known any more behind that. */
void	accounting_launched(enum msg_transport);

/* A peer that --preauth peer does not know gets a gate. The same. */
void	accounting_peer_unknown(void);

/* This process ends: lines of the log that were dropped are not lost to the count. */
void	accounting_end(void);

#endif
