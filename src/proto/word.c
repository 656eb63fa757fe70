/*
 * Names from other programs, see word.h. Run by the gate in its sandbox, and by the monitor to
 * check them again. Pure.
 */

#include "proto/word.h"

#include <string.h>

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

bool
word_is_plain(const char *text)
{
	return text[strspn(text, plain)] == '\0';
}

void
word_copy(char *to, size_t size, const void *octets, size_t len)
{
	const char *text = octets;
	size_t i;

	if (len == 0 || len >= size)
		return;
	for (i = 0; i < len; i++)
		if (memchr(plain, text[i], sizeof(plain) - 1) == NULL)
			return;
	memcpy(to, text, len);
	to[len] = '\0';
}
