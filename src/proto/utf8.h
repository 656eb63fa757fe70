#ifndef IMAPGATE_PROTO_UTF8_H
#define IMAPGATE_PROTO_UTF8_H

/* UTF-8 as defined by RFC 3629, 4: no overlong forms, no surrogates, nothing above U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

/*
 * Returns the length in octets (1 to 4) of the first character of text, or 0 if no valid one
 * begins there within len octets.
 */
size_t	utf8_sequence(const char *text, size_t len);

/*
 * Returns whether this character, of the length that utf8_sequence returned, is a control
 * character (C0, DEL, C1; ISO 6429).
 */
bool	utf8_is_control(const char *text, size_t octets);

#endif
