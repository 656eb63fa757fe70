#ifndef IMAPGATE_PROTO_UTF8_H
#define IMAPGATE_PROTO_UTF8_H

/* UTF-8 as RFC 3629, 4 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */

#include <stddef.h>

/* Gives the length in octets (1 to 4) of the character that text begins with, 0 if that is no valid one within len. */
size_t	utf8_sequence(const char *text, size_t len);

#endif
