#ifndef IMAPGATE_PROTO_WORD_H
#define IMAPGATE_PROTO_WORD_H

/*
 * Names of TLS versions and ciphers from other programs, which are put into log lines without
 * quotes and into the environment.
 */

#include <stdbool.h>
#include <stddef.h>

/* Returns whether the text has only letters, digits, ".", "_" and "-", or is empty. */
bool	word_is_plain(const char *);

/*
 * Copies len octets and a NUL to a buffer of size octets. Changes nothing if they are empty, not
 * plain, or do not fit.
 */
void	word_copy(char *to, size_t size, const void *octets, size_t len);

#endif
