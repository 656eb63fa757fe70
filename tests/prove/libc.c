/*
 * What proto/ calls of the C library, for EVA: each function reads all that
 * the real one may read and writes all that it may write, so that a string
 * without end and memory that is too small are seen; a result that depends
 * on contents can be any that the manual page allows.
 */

#include "prove.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define EXACT	32

/* Reads n octets. Has no body: EVA takes the contract for it. */
/*@ requires valid: n == 0 || \valid_read((char *)memory + (0 .. n - 1));
    requires initialized: n == 0 || \initialized((char *)memory + (0 .. n - 1));
    assigns \nothing; */
void	read_octets(const void *memory, size_t n);

/* EVA's own wants memory even for no octets; the end of an array is as good (C17, 7.1.4). */
void *
memcpy(void *to, const void *from, size_t n)
{
	if (n == 0)
		return to;
	//@ assert separation: \separated((char *)to + (0 .. n - 1), (char *)from + (0 .. n - 1));
	return memmove(to, from, n);
}

void
explicit_bzero(void *to, size_t n)
{
	memset(to, 0, n);
}

/* Exact where it is short, since what follows may rely on what was equal. */
int
memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	size_t i;

	read_octets(a, n);
	read_octets(b, n);
	if (n > EXACT)
		return Frama_C_interval(0, 1) == 0 ? 0 : 1;
	for (i = 0; i < n; i++)
		if (x[i] != y[i])
			return 1;
	return 0;
}

/* The same. */
void *
memchr(const void *memory, int ch, size_t n)
{
	const unsigned char *octets = memory;
	size_t i;

	read_octets(memory, n);
	if (n > EXACT)
		return Frama_C_interval(0, 1) == 0 ? NULL : (void *)(octets + any_size(0, n - 1));
	for (i = 0; i < n; i++)
		if (octets[i] == (unsigned char)ch)
			return (void *)(octets + i);
	return NULL;
}

int
strcmp(const char *a, const char *b)
{
	return strlen(a) == strlen(b) ? Frama_C_interval(-255, 255) : Frama_C_interval(0, 1) == 0 ? -1 : 1;
}

int
strncmp(const char *a, const char *b, size_t n)
{
	strnlen(a, n);
	strnlen(b, n);
	return Frama_C_interval(-255, 255);
}

int
strcasecmp(const char *a, const char *b)
{
	return strcmp(a, b);
}

/* Exactly as it is done, since proto/sasl.c goes on behind what was equal. */
int
strncasecmp(const char *a, const char *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		char lower = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] - 'A' + 'a') : b[i];
		char upper = b[i] >= 'a' && b[i] <= 'z' ? (char)(b[i] - 'a' + 'A') : b[i];

		if (a[i] != lower && a[i] != upper)
			return 1;
		if (b[i] == '\0')
			return 0;
	}
	return 0;
}

char *
strcpy(char *to, const char *from)
{
	return memcpy(to, from, strlen(from) + 1);
}

size_t
strspn(const char *text, const char *set)
{
	strlen(set);
	return any_size(0, strlen(text));
}

size_t
strcspn(const char *text, const char *set)
{
	size_t i, len = strlen(text);

	strlen(set);
	for (i = 0; i < len; i++)
		if (Frama_C_interval(0, 1) == 1)
			return i;
	return len;
}

char *
strpbrk(const char *text, const char *set)
{
	size_t len = strlen(text), at = strspn(text, set);

	return at < len ? (char *)text + at : NULL;
}

char *
strsep(char **text, const char *set)
{
	char *word = *text;
	size_t i, len;

	if (word == NULL)
		return NULL;
	len = strlen(word);
	strlen(set);
	for (i = 0; i < len; i++) {
		if (Frama_C_interval(0, 1) == 1) {
			word[i] = '\0';
			*text = word + i + 1;
			return word;
		}
	}
	*text = NULL;
	return word;
}

/* Reads at most the three digits that proto/network.c has counted. */
unsigned long
strtoul(const char *text, char **end, int base)
{
	size_t len = strlen(text);

	//@ assert end == \null && base == 10;
	return len <= 3 ? any_size(0, 999) : any_size(0, INT32_MAX);
}

int
inet_pton(int family, const char *text, void *address)
{
	if (strlen(text) == 0 || Frama_C_interval(0, 1) == 0)
		return 0;
	any_octets(address, family == AF_INET ? 4 : 16);
	return 1;
}

/* resolv.h: 4 characters for each 3 octets and a NUL, or -1 where there is no room for them. */
int
__b64_ntop(const unsigned char *octets, size_t len, char *text, size_t size)
{
	size_t i, n = (len + 2) / 3 * 4;

	read_octets(octets, len);
	if (n + 1 > size)
		return -1;
	/* From "+" to "z": the alphabet has no NUL. */
	for (i = 0; i < n; i++)
		text[i] = (char)Frama_C_interval('+', 'z');
	text[n] = '\0';
	return (int)n;
}

/* resolv.h: reads the string to its end, and writes at most size octets. */
int
__b64_pton(const char *text, unsigned char *octets, size_t size)
{
	size_t n = any_size(0, strlen(text));

	any_octets(octets, size);
	return n <= size ? (int)n : -1;
}
