#ifndef IMAPGATE_PROTO_WORD_H
#define IMAPGATE_PROTO_WORD_H

/*
 * Names of TLS versions and ciphers, which are told to us: they stand in log
 * lines without quotes, and in the environment.
 */

#include <stdbool.h>
#include <stddef.h>

/* Is it made of letters, digits, ".", "_" and "-" only? Also if it is empty. */
bool	word_is_plain(const char *);

/* Takes len octets over as a word that ends in NUL; what is not plain, empty, or does not fit into size octets changes nothing. */
void	word_copy(char *to, size_t size, const void *octets, size_t len);

#endif
