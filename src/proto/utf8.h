#ifndef IMAPGATE_PROTO_UTF8_H
#define IMAPGATE_PROTO_UTF8_H

/* UTF-8 as RFC 3629, 4 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

/* Gives the length in octets (1 to 4) of the character that text begins with, 0 if that is no valid one within len. */
size_t	utf8_sequence(const char *text, size_t len);

/* Is this character, of as many octets as utf8_sequence said, a control character (C0, DEL, C1; ISO 6429)? */
bool	utf8_is_control(const char *text, size_t octets);

#endif
