#ifndef IMAPGATE_MONITOR_KEYHOLDER_H
#define IMAPGATE_MONITOR_KEYHOLDER_H

/*
 * The listener's private keys, in a process that does nothing but sign. It
 * reads the files itself, so they were never in the listener, nor are they in
 * any monitor; and no monitor spends the time that decoding a key takes.
 *
 * It lives for as long as anybody has the socket by which it is asked. New
 * files are read by a new one, while those who are served with the old
 * certificates go on with the old keys.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "msg.h"
#include "options.h"

/* The key holder itself: answers questions on this socket until nobody is left who could ask. */
void	keyholder_run(const struct options *, int service) __attribute__((noreturn));

/* Tests whether it has the private key number index, and this is its public half. Else fills the reason: the caller logs it. */
bool	keyholder_has(int service, uint32_t index, const uint8_t key_digest[MSG_DIGEST], char reason[MSG_REASON_MAX]);

/*
 * Has this signed. The answer's len is 0 if there is no signature. The answer
 * has a reason if it was refused, and none if the key holder could not make
 * it or has ended.
 */
void	keyholder_sign(int service, const struct msg_sign *, struct msg_sign_answer *);

#endif
